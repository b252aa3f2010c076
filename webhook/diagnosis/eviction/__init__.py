"""Evicts pods that an audit found, so that their owners make new ones. Decisions are apart from the cluster."""
