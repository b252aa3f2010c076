"""Defines flags in one place: a field of a settings class carries the help and the group of its flag.

`webhook.commands.flags` derives the command line, the environment, the help and the documentation from these fields.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

FLAG: Final = "flag"
"""The key of a FlagField in a field's metadata."""

Kind: TypeAlias = Literal["string", "bool", "int", "duration", "port", "path", "list"]


@dataclass(frozen=True, slots=True)
class FlagField:
    """The flag of a settings field. If `kind` is None, the field's type decides."""

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
    """Returns a field of a settings dataclass that a flag sets. The field's type decides the flag's kind by default."""
    return dataclasses.field(default=default, metadata={FLAG: FlagField(help, group, kind, choices, metavar, short)})
