"""What is measured, and the page that shows it."""
