"""JSON Patch operations (RFC 6902) and JSON Pointer escaping (RFC 6901). We only ever add."""

from typing import Any

import msgspec


class Operation(msgspec.Struct, frozen=True, gc=False, tag_field="op", tag="add"):
    """One `add`: `path` is a JSON Pointer, `value` anything that encodes as JSON."""

    path: str
    value: Any


def escape(token: str) -> str:
    """One reference token, escaped for use in a JSON Pointer."""
    return token.replace("~", "~0").replace("/", "~1")
