"""Reads objects from files: YAML and JSON, Pods and workloads, ServiceAccounts, container credentials."""
