"""JSON Patch operations (RFC 6902), encoded, and JSON Pointer escaping (RFC 6901). We only ever add."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec


class _Add(msgspec.Struct, gc=False, tag_field="op", tag="add"):
    path: str
    value: Any


# What an encoded operation begins with, and nothing else has in it: in a text the quotes would be escaped.
BEGINNING: Final = b'{"op":"add","path":"'

_encode: Final = msgspec.json.Encoder().encode


def add(pointer: str, value: Any) -> bytes:
    """The operation that adds `value` at a JSON Pointer, encoded as it stands in a patch."""
    return _encode(_Add(pointer, value))


def append(pointer: str, items: Sequence[Any], *, exists: bool) -> bytes:
    """The operations, with commas between, that append to the list at a JSON Pointer, or add it where it is not."""
    if not exists:
        return add(pointer, items)
    return b",".join([add(f"{pointer}/-", item) for item in items])


def document(operations: Iterable[bytes]) -> bytes:
    """The JSON Patch of encoded operations."""
    return b"[" + b",".join(operations) + b"]"


def escape(token: str) -> str:
    """One reference token, escaped for use in a JSON Pointer."""
    return token.replace("~", "~0").replace("/", "~1")
