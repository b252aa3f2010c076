"""Parses one or more JSON values from text, each with its first line.

It is stricter than Python's json: NaN, infinities and lone surrogates are errors, so that we can write each value as
JSON again. If a key occurs several times, the last wins, as with kubectl.
"""

import json
import re
from collections.abc import Iterator
from math import isinf
from typing import Any, Final, NoReturn

from webhook.errors import ManifestError

# Maximum nesting of objects and lists. No Kubernetes object comes near it.
MAX_DEPTH: Final = 200

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
# No integer of 64 bits has more characters.
_LONGEST_INT64: Final = 20

_WHITESPACE: Final = re.compile(r"[ \t\r\n]*")
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


class MalformedText(ManifestError):
    """Text that is not JSON or YAML as Kubernetes tools read it; has the line (from 1) and the problem."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


def parse_json(text: str) -> Iterator[tuple[int, Any]]:
    """Yields the values in `text`, which whitespace may separate, with their lines.

    Raises MalformedText.
    """
    line, position = 1, 0
    while (start := _skip_whitespace(text, position)) < len(text):
        line += text.count("\n", position, start)
        try:
            value, position = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise MalformedText(error.lineno, f"not JSON: {error.msg} (column {error.colno})") from error
        except ValueError as error:
            raise MalformedText(line, f"not JSON: {error}") from error
        except RecursionError as error:
            raise MalformedText(line, "nested too deeply") from error
        _check_depth(value, line)
        if _SURROGATE_ESCAPE.search(text, start, position):
            _check_surrogates(value, line)
        yield line, value
        line += text.count("\n", start, position)


def is_int64(value: int) -> bool:
    """Whether Kubernetes keeps `value` as an integer; it converts larger ones to floats."""
    return _INT64_MIN <= value <= _INT64_MAX


def _skip_whitespace(text: str, position: int) -> int:
    match = _WHITESPACE.match(text, position)
    return match.end() if match else position


def _integer(text: str) -> int | float:
    # Converting thousands of digits to an int is slow.
    if len(text) <= _LONGEST_INT64 and is_int64(value := int(text)):
        return value
    return _float(text)


def _float(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise ValueError("a number is out of range")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not allowed")


_DECODER: Final = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_no_constant)


def _check_depth(value: Any, line: int) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        members = (collection.values() if isinstance(collection, dict) else collection for collection in level)
        level = [member for some in members for member in some if isinstance(member, dict | list)]
        if not level:
            return
    raise MalformedText(line, "nested too deeply")


def _check_surrogates(value: Any, line: int) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise MalformedText(line, "not JSON: \\u escape of a lone surrogate") from error
