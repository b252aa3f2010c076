"""A rich Console on standard output: it fits and colours text on a terminal; elsewhere nothing is wrapped or cut.

The console writes its own escape sequences past the escaping of `webhook.terminal`. So put foreign text into it only
with `cell`, which escapes it and reads no markup in it.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import IO, Final, cast

from rich.console import Console
from rich.text import Text

from webhook.terminal import escaped, print_styled, wants_colour

_UNLIMITED: Final = 100_000
"""Columns off a terminal: more than any line has."""

_HANGING: Final = 4
"""By how much the rest of a wrapped line is indented."""

_MARKS: Final = {"ok": "✓", "failed": "✗", "skipped": "-", "unknown": "?"}
_PLAIN_MARKS: Final = {"ok": "ok", "failed": "NO", "skipped": "-", "unknown": "?"}
"""For streams whose encoding lacks the others."""


class _StyledOutput:
    """Standard output as rich needs it: a file whose text is already escaped."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Writes text with rich's escape sequences."""
        print_styled(text)
        return len(text)

    def flush(self) -> None:
        """Leaves flushing to the command's end."""


def screen(colour: str, environ: Mapping[str, str]) -> Console:
    """Returns a console on standard output; `colour` is `auto`, `always` or `never`."""
    has_colour = wants_colour(colour, environ)
    return Console(
        file=cast("IO[str]", _StyledOutput()),
        force_terminal=has_colour,
        no_color=not has_colour,
        color_system="standard" if has_colour else None,
        width=shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNLIMITED,
        markup=False,
        emoji=False,
        highlight=False,
    )


def cell(text: str, style: str = "") -> Text:
    """Returns foreign text for the console: escaped, without markup."""
    return Text(escaped(text), style=style)


def print_hanging(console: Console, indent: int, text: Text) -> None:
    """Prints text behind `indent` blanks; what the terminal's width wraps stands further to the right."""
    for number, line in enumerate(text.wrap(console, max(console.width - indent - _HANGING, 1))):
        line.rstrip()
        console.print(Text(" " * (indent if number == 0 else indent + _HANGING)).append_text(line))


def wrapped_notice(line: str) -> str:
    """Returns a line for standard error; on a terminal, it is wrapped between words and not in the middle of them."""
    if not sys.stderr.isatty():
        return line
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        width = 0
    # Some terminals do not tell their size.
    width = width or shutil.get_terminal_size().columns
    indent = " " * _HANGING
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def marks() -> Mapping[str, str]:
    """Returns the mark of each result: `ok`, `failed`, `skipped` or `unknown`. Standard output can show it."""
    try:
        "".join(_MARKS.values()).encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return _PLAIN_MARKS
    return _MARKS
