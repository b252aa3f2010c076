"""Flags: one table, and what reads it."""
