"""The commands `trust-policy render`, `lint` and `explain`."""
