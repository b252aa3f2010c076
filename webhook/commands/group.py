"""A group of commands, such as `certs`: runs the sub-command that the first argument names."""

import importlib
from collections.abc import Mapping, Sequence

from webhook.commands.table import Command
from webhook.errors import SettingsError


def run_group(group: Command, argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the sub-command; returns the exit code. Raises WebhookError."""
    name = argv[0] if argv else ""
    if name in {"-h", "--help", "help"}:
        print(_usage(group))
        return 0
    command = group.named(name)
    if command is None:
        problem = f"{name!r} is not a sub-command" if name else "a sub-command is missing"
        raise SettingsError([f"{problem}: {', '.join(command.name for command in group.commands)}"])
    code: int = importlib.import_module(command.module).main(argv[1:], environ)
    return code


def _usage(group: Command) -> str:
    width = max(8, *(len(command.name) for command in group.commands))
    lines = "\n".join(f"  {command.name:<{width}} {command.what}" for command in group.commands)
    name = f"pod-identity-webhook {group.name}"
    return (
        f"Usage: {name} SUB-COMMAND [flags]\n\n{group.about}\n\nSub-commands:\n{lines}\n\n"
        f"'{name} SUB-COMMAND --help' lists its flags."
    )
