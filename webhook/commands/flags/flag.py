"""A flag, and how to derive flags from a settings class."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_type_hints

from webhook.flag_field import FLAG, FlagField, Kind

ENV_PREFIX: Final = "PIW_"

_KINDS: Final[dict[Any, Kind]] = {
    str: "string",
    bool: "bool",
    int: "int",
    float: "duration",
    Path: "path",
    Path | None: "path",
    tuple[str, ...]: "list",
}


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag.

    `default` is text as a user would write it; `choices` limits a string, or each member of a list; `short` is a single
    letter. `command` is set if the flag means what no flag of `serve` means: its environment variable then carries the
    command's name, so that one variable never has two meanings. A list that is `repeatable` takes each use of the flag
    as one member, commas included; its variable separates members by commas. A flag that gives `consent` to a change
    has no variable: who consents must type it.
    """

    name: str
    kind: Kind
    default: str
    help: str
    group: str
    choices: tuple[str, ...] = ()
    short: str = ""
    metavar: str = ""
    command: str = ""
    repeatable: bool = False
    consent: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets it; empty if only the command line does."""
        if self.consent:
            return ""
        name = f"{self.command}-{self.name}" if self.command else self.name
        return ENV_PREFIX + name.upper().replace("-", "_")

    @property
    def field(self) -> str:
        """Its name as a settings field."""
        return self.name.replace("-", "_")


def flags_of(settings: type) -> tuple[Flag, ...]:
    """Returns the flags of a settings dataclass, in the order of its fields."""
    hints = get_type_hints(settings)
    flags = []
    for field in dataclasses.fields(settings):
        said: FlagField | None = field.metadata.get(FLAG)
        if said is not None:
            kind = said.kind or _KINDS[hints[field.name]]
            name = field.name.replace("_", "-")
            text = _text(field.default, kind)
            flags.append(Flag(name, kind, text, said.help, said.group, said.choices, said.short, said.metavar))
    return tuple(flags)


def of_command(command: str, *flags: Flag) -> tuple[Flag, ...]:
    """Returns `flags` as flags of `command` alone: each variable carries its name."""
    return tuple(dataclasses.replace(flag, command=command) for flag in flags)


def _text(value: Any, kind: Kind) -> str:
    """Returns a default as a user would write it."""
    if value is None or value == ():
        return ""
    if kind == "bool":
        return "true" if value else "false"
    if kind == "duration":
        return _duration(value)
    return str(value)


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:g}s"
