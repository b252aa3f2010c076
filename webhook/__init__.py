"""The pod identity webhook: gives pods on self-managed Kubernetes clusters their AWS role."""

__version__ = "0.1.0"
