"""Decides what a pod gets. Pure: bytes in, decision out; no I/O, no clock, no logging."""
