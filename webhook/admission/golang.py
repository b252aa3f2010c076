"""Parses values as Go does, so that an annotation means the same here and in the Go webhook."""

import re
from typing import Final

_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,4000}", re.ASCII)
_INT64_MAX: Final = 2**63 - 1
_INT64_MIN: Final = -(2**63)


def parse_bool(text: str) -> bool | None:
    """Go's strconv.ParseBool; None if that returns an error."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    return None


def parse_int(text: str) -> int | None:
    """Go's strconv.ParseInt(text, 10, 64); None if that returns an error, for example for a value out of range."""
    if not _INTEGER.fullmatch(text):
        return None
    value = int(text)
    return value if _INT64_MIN <= value <= _INT64_MAX else None


_DURATION_PART: Final = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?P<unit>ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float | None:
    """Go's time.ParseDuration (`100ms`, `1m30s`, `0`), in seconds; None if that returns an error."""
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    seconds, position = 0.0, 0
    for part in _DURATION_PART.finditer(rest):
        if part.start() != position:
            return None
        position = part.end()
        seconds += float(part["number"]) * _SECONDS[part["unit"]]
    return sign * seconds if rest and position == len(rest) else None
