"""Decides what to inject into a pod. Pure: bytes in, decision out; no I/O, no clock, no logging."""
