"""The command `issuer`."""
