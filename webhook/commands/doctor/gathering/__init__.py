"""Reads the facts that `doctor` judges. Each read fails on its own, and nothing is ever changed."""
