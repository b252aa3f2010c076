"""Reads a JSON object, such as a published document or a policy, and says what it is if it is something else.

What a web server sends instead of a document is mostly a page: of an error, of a private bucket, of a login.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from webhook.errors import WebhookError

MAX_DEPTH: Final = 20
"""Maximum nesting of objects and lists; a discovery document or JWKS has three levels, a policy nine at most."""

_XML_OF_PRIVATE_BUCKET: Final = "<Code>AccessDenied</Code>"
# A string that is never closed ends with the text, so that it is read only once.
_NESTING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}\[\]]', re.DOTALL)


class DocumentError(WebhookError):
    """A document that is not the JSON object that it should be, in one line that says what it is instead."""


def read_object(body: bytes) -> dict[str, Any]:
    """Returns the JSON object (RFC 8259) in `body`. Raises DocumentError.

    The caller limits the size of `body`.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(_page(body.decode("latin-1")) or "it is not text in UTF-8") from error
    value = parse_json(text)
    if not isinstance(value, dict):
        raise DocumentError(f"it is not a JSON object but {type_name(value)}")
    return value


def parse_json(text: str, object_of: Callable[[list[tuple[str, Any]]], Any] = dict) -> Any:
    """Returns the value of a JSON text (RFC 8259); `object_of` makes an object of its members. Raises DocumentError.

    The caller limits the size of `text`.
    """
    if not text.strip():
        raise DocumentError("it is empty, except for white space" if text else "it is empty (0 bytes)")
    if page := _page(text):
        raise DocumentError(page)
    if _is_too_deep(text):
        raise DocumentError(f"it is nested too deeply: more than {MAX_DEPTH} levels")
    try:
        return json.loads(
            text, object_pairs_hook=object_of, parse_constant=_refuse_constant, parse_float=_finite_number
        )
    except json.JSONDecodeError as error:
        raise DocumentError(f"it is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    except ValueError as error:
        raise DocumentError("it has a number with too many digits") from error


def type_name(value: object) -> str:
    """Returns the JSON type of a value, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def _page(text: str) -> str:
    """Returns what `text` is, if it is markup; "" if not."""
    start = text[:1024].lstrip("\ufeff \t\r\n")
    if not start.startswith("<"):
        return ""
    if _XML_OF_PRIVATE_BUCKET in text[:4096]:
        return "it is XML that says AccessDenied: the bucket or the object is private, or the object does not exist"
    lower = start.lower()
    if lower.startswith(("<!doctype html", "<html")) or "<html" in lower:
        return "it is an HTML page, not JSON"
    if lower.startswith(("<?xml", "<error")):
        return "it is XML, not JSON"
    return "it is HTML or XML, not JSON"


def _is_too_deep(text: str) -> bool:
    """Whether objects and lists are nested too deeply; asked before they are read, because reading recurses."""
    depth = 0
    for match in _NESTING.finditer(text):
        if match[0] in "{[":
            depth += 1
        elif match[0] in "}]":
            depth -= 1
        if depth > MAX_DEPTH:
            return True
    return False


def _refuse_constant(name: str) -> NoReturn:
    raise DocumentError(f"it is not JSON: {name} is no JSON value")


def _finite_number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        # We would write it as Infinity, which is not JSON.
        raise DocumentError("it has a number that is too large")
    return number
