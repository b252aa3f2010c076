"""Flags, stated once: a field of a settings class carries its flag's help and group, and all else follows from it.

The command line, the environment, the help and the documentation read the fields by `webhook.commands.flags`.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

FLAG: Final = "flag"
"""The key of a FlagField in a field's metadata."""

Kind: TypeAlias = Literal["string", "bool", "int", "duration", "port", "path", "list"]


@dataclass(frozen=True, slots=True)
class FlagField:
    """What a settings field says of its flag. Without `kind`, the field's type decides."""

    help: str
    group: str
    kind: Kind | None
    choices: tuple[str, ...]
    metavar: str
    short: str


def flag(
    default: Any,
    help: str,  # noqa: A002 - the field's own name
    group: str,
    *,
    kind: Kind | None = None,
    choices: tuple[str, ...] = (),
    metavar: str = "",
    short: str = "",
) -> Any:
    """A field of a settings dataclass that a flag sets. Its type is the flag's kind, unless `kind` says more."""
    return dataclasses.field(default=default, metadata={FLAG: FlagField(help, group, kind, choices, metavar, short)})
