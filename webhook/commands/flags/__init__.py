"""Flags: one table, and the code that reads it."""
