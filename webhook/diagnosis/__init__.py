"""What is wrong in a cluster: the findings of `audit`. It reads through the rooms below and prints nothing."""
