"""What commands print: no foreign text can send a terminal commands, hide or reorder text, or forge a line's start.

Names, annotations, tags, golden files and answers of servers are written by others. They are escaped here, once, on
their way out, whatever command prints them.
"""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TextIO, cast


def escaped(text: str) -> str:
    r"""`text` with each character that does not show as itself written as `\x1b`, `\u202e`; line ends stay.

    Those are controls, format characters such as overrides of the writing direction, separators, unassigned and private
    ones (the categories that Python's `str.isprintable` names).
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(char if char == "\n" or char.isprintable() else _escape(char) for char in text)


def one_line(text: str) -> str:
    r"""`text` on one line: a line end in a name (`\n`) must not forge another line."""
    return escaped(text).replace("\n", "\\n")


def print_styled(text: str) -> None:
    """Prints text whose escape sequences are ours: the rest of it has to be escaped already."""
    stream = sys.stdout
    (stream.write_styled if isinstance(stream, EscapingStream) else stream.write)(text)


def wants_colour(choice: str, environ: Mapping[str, str]) -> bool:
    """Whether standard output gets colours: for `auto`, if it is a terminal, without NO_COLOR and TERM=dumb."""
    if choice != "auto":
        return choice == "always"
    return sys.stdout.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class EscapingStream:
    """A text stream that escapes what is written to it, but for `write_styled`. All else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes foreign text, escaped."""
        return self._stream.write(escaped(text))

    def write_styled(self, text: str) -> int:
        """Writes text whose escape sequences are ours: the rest of it has to be escaped already."""
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def escaping(stdout: TextIO, stderr: TextIO) -> Iterator[None]:
    """Both streams escape what is printed within."""
    with (
        contextlib.redirect_stdout(cast("TextIO", EscapingStream(stdout))),
        contextlib.redirect_stderr(cast("TextIO", EscapingStream(stderr))),
    ):
        yield
