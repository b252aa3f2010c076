"""The metrics, and the page that exposes them."""
