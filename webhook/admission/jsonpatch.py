"""Encodes JSON Patch operations (RFC 6902), of which we use only `add`; escapes JSON Pointers (RFC 6901).

`mutate.py` decides which operations a pod needs.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec


class _Add(msgspec.Struct, gc=False, tag_field="op", tag="add"):
    path: str
    value: Any


# Every encoded operation begins with this text. It cannot occur elsewhere: within a string the quotes are escaped.
BEGINNING: Final = b'{"op":"add","path":"'

_encode: Final = msgspec.json.Encoder().encode


def add(pointer: str, value: Any) -> bytes:
    """Encodes the operation that adds `value` at a JSON Pointer."""
    return _encode(_Add(pointer, value))


def append(pointer: str, items: Sequence[Any], *, exists: bool) -> bytes:
    """Encodes the operations, separated by commas, that append to the list at a JSON Pointer, or create the list."""
    if not exists:
        return add(pointer, items)
    return b",".join([add(f"{pointer}/-", item) for item in items])


def document(operations: Iterable[bytes]) -> bytes:
    """Joins encoded operations into a JSON Patch."""
    return b"[" + b",".join(operations) + b"]"


def escape(token: str) -> str:
    """Escapes one reference token for a JSON Pointer."""
    return token.replace("~", "~0").replace("/", "~1")
