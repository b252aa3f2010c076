"""The certificate of the HTTPS port: its sources, how it is replaced, and how replicas share it."""
