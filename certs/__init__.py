"""Certificates: issue, and files. Knows nothing of the webhook."""
