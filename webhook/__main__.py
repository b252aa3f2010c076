"""Runs the command with `python -m webhook`."""

from webhook.cli import run

run()
