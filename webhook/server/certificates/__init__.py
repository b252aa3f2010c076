"""Which certificate is served, where it comes from, and how replicas share it."""
