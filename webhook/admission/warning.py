"""Warnings for the person who created the pod, within what the API server passes on."""

from collections.abc import Iterable
from typing import Final

# The API server cuts a single warning at 256 characters, and drops all of a response's beyond 4096.
MAX_LENGTH: Final = 256
MAX_TOTAL: Final = 4000

_MAX_QUOTED: Final = 40
# Of a container's or a volume's name.
_MAX_NAME: Final = 63


def quoted(text: str) -> str:
    """`text` in quotes, cut to what fits in a warning, with nothing that a header could not carry."""
    return '"' + _clipped(_printable(text[: _MAX_QUOTED + 1]), _MAX_QUOTED).replace('"', '\\"') + '"'


def short(name: str) -> str:
    """The name of a part of a pod, cut to the length that the API server takes."""
    return _clipped(_printable(name[: _MAX_NAME + 1]), _MAX_NAME)


def bounded(warnings: Iterable[str]) -> list[str]:
    """The warnings, each once and cut to its length; where they are too many, the last says how many are left out."""
    unique = list(dict.fromkeys(_clipped(_printable(warning[: MAX_LENGTH + 1]), MAX_LENGTH) for warning in warnings))
    kept: list[str] = []
    total = 0
    for warning in unique:
        total += len(warning)
        if total > MAX_TOTAL:
            return [*kept, f"{len(unique) - len(kept)} more warnings of this kind left out"]
        kept.append(warning)
    return kept


def _printable(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return text.encode("ascii", "backslashreplace").decode().translate(_CONTROLS)


_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), 127)}


def _clipped(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
