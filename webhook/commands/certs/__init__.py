"""The command `certs`."""
