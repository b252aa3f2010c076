"""The lint of trust policies: one module for each part of a policy, and `policy.py`, which puts them together."""
