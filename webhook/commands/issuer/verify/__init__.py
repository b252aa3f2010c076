"""`issuer verify`: its flags, what it does, and its output."""
