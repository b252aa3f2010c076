"""Warnings for the person who created the pod, within the API server's limits."""

from collections.abc import Iterable
from typing import Final

# The API server cuts each warning at 256 characters, and drops warnings beyond a total of 4096 characters.
MAX_LENGTH: Final = 256
MAX_TOTAL: Final = 4000

_MAX_QUOTED: Final = 40
# The longest valid name of a container or volume.
_MAX_NAME: Final = 63


def quoted(text: str) -> str:
    """Returns `text` in quotes, cut to fit into a warning. Escapes characters that an HTTP header cannot carry."""
    return '"' + _clipped(_printable(text[: _MAX_QUOTED + 1]), _MAX_QUOTED).replace('"', '\\"') + '"'


def short(name: str) -> str:
    """Returns the name of a container or volume, cut to the longest length that the API server accepts."""
    return _clipped(_printable(name[: _MAX_NAME + 1]), _MAX_NAME)


def bounded(warnings: Iterable[str]) -> list[str]:
    """Drops duplicate warnings and cuts each to MAX_LENGTH. If there are too many, the last counts those left out."""
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
