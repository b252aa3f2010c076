"""JSON that keeps what a lint needs: where each value is, on which line, and which keys occur twice."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from webhook.issuer import json_object
from webhook.issuer.json_object import DocumentError, parse_json

MAX_CHARACTERS: Final = 256 * 1024
"""Longest text that we read. A trust policy has at most 4,096 characters; `aws iam get-role` adds some thousands."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\n')
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Members(list[tuple[str, Any]]):
    """The members of a JSON object, in order; a key may occur twice."""

    def last(self, key: str, default: Any = None) -> Any:
        """Returns the value of the last member `key`, as most readers of JSON do."""
        return next((value for name, value in reversed(self) if name == key), default)

    def twice(self) -> list[str]:
        """Returns the keys that occur more than once, each once."""
        return [name for name, count in Counter(name for name, _ in self).items() if count > 1]


@dataclass(frozen=True, slots=True)
class JsonText:
    """A JSON object, with the line (from 1) of each JSON path in it."""

    value: Members
    lines: dict[str, int]


def member(path: str, key: str) -> str:
    """Returns the JSON path of a member of the object at `path`."""
    return f"{path}.{key}" if _PLAIN_NAME.fullmatch(key) else f"{path}[{json.dumps(key, ensure_ascii=False)}]"


def read_json_object(text: str) -> JsonText:
    """Reads a JSON object (RFC 8259). Raises DocumentError, which says what the text is instead."""
    if len(text) > MAX_CHARACTERS:
        raise DocumentError(f"it has more than {MAX_CHARACTERS} characters, too many for a trust policy")
    text = text.removeprefix("\ufeff")
    value = parse_json(text, Members)
    if not isinstance(value, Members):
        raise DocumentError(f"it is not a JSON object but {type_name(value)}")
    return JsonText(value, dict(_lines(text)))


def type_name(value: Any) -> str:
    """Returns the JSON type of `value`, with its article."""
    return "an object" if isinstance(value, Members) else json_object.type_name(value)


def plain(value: Any) -> Any:
    """Returns `value` with ordinary dicts; of a key that occurs twice, the last value stays."""
    if isinstance(value, Members):
        return {name: plain(each) for name, each in value}
    return [plain(each) for each in value] if isinstance(value, list) else value


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """Yields the path of each value in `text`, which is valid JSON, with its line."""
    line = 1
    path = "$"
    # Of each open object or list: its path, and its next index (None for an object).
    open_values: list[tuple[str, int | None]] = []
    key_wanted = False
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "\n":
            line += 1
        elif token in "}]":
            open_values.pop()
            key_wanted = False
        elif token == ",":
            parent, index = open_values[-1]
            key_wanted = index is None
            if index is not None:
                open_values[-1] = (parent, index + 1)
                path = f"{parent}[{index + 1}]"
        elif token == ":":
            continue
        elif key_wanted:
            path, key_wanted = member(open_values[-1][0], json.loads(token)), False
            yield path, line
        else:
            yield path, line
            if token in "{[":
                is_object = token == "{"
                open_values.append((path, None if is_object else 0))
                key_wanted = is_object
                path = path if is_object else f"{path}[0]"
