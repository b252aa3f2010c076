"""The commands as a table: the command line, help, documentation and completion follow from it.

It names modules and imports none: each command loads only what it needs, which saves the server's memory.
"""

import importlib
from dataclasses import dataclass
from typing import Final

from webhook.commands.flags.flag import Flag


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or a group of `commands`.

    `what` is its line in the list of commands. `module` has its `main(argv, environ) -> int`; `flags` is the place of
    its flags, `MODULE:NAME`. A group has neither; `about` is the sentence in its help.
    """

    name: str
    what: str
    module: str = ""
    flags: str = ""
    about: str = ""
    commands: tuple["Command", ...] = ()

    def load_flags(self) -> tuple[Flag, ...]:
        """Imports and returns its flags; none for a group."""
        if not self.flags:
            return ()
        module, _, name = self.flags.partition(":")
        flags: tuple[Flag, ...] = getattr(importlib.import_module(module), name)
        return flags

    def named(self, name: str) -> "Command | None":
        """Returns the command of this name in the group."""
        return next((command for command in self.commands if command.name == name), None)


_CERTS_FLAGS: Final = "webhook.commands.certs.flags"

COMMANDS: Final = Command(
    "",
    "",
    about="Gives pods on self-managed Kubernetes clusters their AWS role, without a stored credential.",
    commands=(
        Command("serve", "run the webhook", "webhook.commands.serve", "webhook.commands.flags.by_command:SERVE_FLAGS"),
        Command(
            "replay",
            "show what the webhook would do to reviews, pods and workloads",
            "webhook.commands.replay.verb",
            "webhook.commands.flags.by_command:REPLAY_FLAGS",
        ),
        Command(
            "audit",
            "find running pods without the credentials that they would get now",
            "webhook.commands.audit.verb",
            "webhook.commands.audit.flags:AUDIT_FLAGS",
        ),
        Command(
            "certs",
            "show, rotate or issue the webhook's certificates",
            about="Shows, rotates or issues the webhook's certificates.",
            commands=(
                Command(
                    "show",
                    "shows the served certificate, the Secret and the caBundle, and whether they match",
                    "webhook.commands.certs.show",
                    f"{_CERTS_FLAGS}:SHOW_FLAGS",
                ),
                Command(
                    "rotate",
                    "asks the running webhook for a new leaf or a new CA",
                    "webhook.commands.certs.rotate",
                    f"{_CERTS_FLAGS}:ROTATE_FLAGS",
                ),
                Command(
                    "issue",
                    "writes a CA and a leaf to files, or renews the leaf in them",
                    "webhook.commands.certs.issue",
                    f"{_CERTS_FLAGS}:ISSUE_FLAGS",
                ),
            ),
        ),
    ),
)
