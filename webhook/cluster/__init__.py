"""What the cluster knows: ServiceAccounts and role mappings, from manifests or from the Kubernetes API."""
