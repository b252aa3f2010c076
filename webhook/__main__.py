"""`python -m webhook`."""

from webhook.cli import run

run()
