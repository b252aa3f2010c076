"""`certs`: shows the webhook's certificates and whether they match, rotates them, or issues them as files."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Final

from webhook.errors import SettingsError

_SUB_COMMANDS: Final = {
    "show": "shows the served certificate, the Secret and the caBundle, and whether they match",
    "rotate": "asks the running webhook for a new leaf or a new CA",
    "issue": "writes a CA and a leaf to files, or renews the leaf in them",
}


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the sub-command; returns the exit code. Raises WebhookError."""
    name = argv[0] if argv else ""
    if name in {"-h", "--help", "help"}:
        print(_usage())
        return 0
    if name not in _SUB_COMMANDS:
        problem = f"{name!r} is not a sub-command" if name else "a sub-command is missing"
        raise SettingsError([f"{problem}: {', '.join(_SUB_COMMANDS)}"])
    code: int = importlib.import_module(f"webhook.commands.certs.{name}").main(argv[1:], environ)
    return code


def _usage() -> str:
    lines = "\n".join(f"  {name:<8} {what}" for name, what in _SUB_COMMANDS.items())
    return (
        "Usage: pod-identity-webhook certs SUB-COMMAND [flags]\n\n"
        "Shows, rotates or issues the webhook's certificates.\n\n"
        f"Sub-commands:\n{lines}\n\n"
        "'pod-identity-webhook certs SUB-COMMAND --help' lists its flags."
    )
