"""Escapes the output of commands: foreign text cannot control the terminal, hide or reorder text, or forge lines.

Other people write names, annotations, tags, golden files and answers of servers. We escape all of them here, in one
place, for all commands.
"""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TextIO, cast


def escaped(text: str) -> str:
    r"""Returns `text` with unprintable characters escaped, such as `\x1b` or `\u202e`; line ends stay.

    Unprintable are control characters, format characters such as overrides of the writing direction, separators, and
    unassigned and private characters (the categories of Python's `str.isprintable`).
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(char if char == "\n" or char.isprintable() else _escape(char) for char in text)


def one_line(text: str) -> str:
    r"""Returns `text` on one line, so that a line end (`\n`) in a name cannot forge another line."""
    return escaped(text).replace("\n", "\\n")


def print_styled(text: str) -> None:
    """Prints text with our own escape sequences; the caller has escaped the rest."""
    stream = sys.stdout
    (stream.write_styled if isinstance(stream, EscapingStream) else stream.write)(text)


def wants_colour(choice: str, environ: Mapping[str, str]) -> bool:
    """Whether standard output gets colours: for `auto`, if it is a terminal, without NO_COLOR and TERM=dumb."""
    if choice != "auto":
        return choice == "always"
    return sys.stdout.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _escape(char: str) -> str:
    code = ord(char)
    # Encoders of JSON leave DEL as it is, and JSON has no \x.
    if code < 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class EscapingStream:
    """A text stream that escapes everything except the text of `write_styled`. It passes other calls to `stream`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Escapes and writes foreign text."""
        return self._stream.write(escaped(text))

    def write_styled(self, text: str) -> int:
        """Writes text with our own escape sequences; the caller has escaped the rest."""
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def escaping(stdout: TextIO, stderr: TextIO) -> Iterator[None]:
    """Escapes everything that is printed to both streams inside the context."""
    with (
        contextlib.redirect_stdout(cast("TextIO", EscapingStream(stdout))),
        contextlib.redirect_stderr(cast("TextIO", EscapingStream(stderr))),
    ):
        yield
