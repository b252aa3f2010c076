"""Reads ServiceAccounts and role mappings from the Kubernetes API, and defines the store that serves them."""
