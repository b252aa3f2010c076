"""Reads a published document, a JSON object, and says what it is if it is something else.

What a web server sends instead of a document is mostly a page: of an error, of a private bucket, of a login.
"""

import json
from typing import Any, Final, NoReturn

from webhook.errors import WebhookError

MAX_DEPTH: Final = 20
"""Maximum nesting of objects and lists; a discovery document or JWKS has three levels."""

_XML_OF_PRIVATE_BUCKET: Final = b"<Code>AccessDenied</Code>"


class DocumentError(WebhookError):
    """A published document that is not a JSON object, in one line that says what it is instead."""


def read_object(body: bytes) -> dict[str, Any]:
    """Returns the JSON object (RFC 8259) in `body`. Raises DocumentError.

    The caller limits the size of `body`.
    """
    if not body:
        raise DocumentError("it is empty (0 bytes)")
    if page := _page(body):
        raise DocumentError(page)
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise DocumentError("it is not text in UTF-8") from error
    except json.JSONDecodeError as error:
        raise DocumentError(f"it is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    except ValueError as error:
        # A number with too many digits, or not a number at all.
        raise DocumentError(f"it is not JSON that others can read: {error}") from error
    except RecursionError as error:
        raise DocumentError(_too_deep()) from error
    if not isinstance(value, dict):
        raise DocumentError(f"it is not a JSON object but {_kind(value)}")
    if _is_too_deep(value):
        raise DocumentError(_too_deep())
    return value


def _page(body: bytes) -> str:
    """Returns what `body` is, if it is markup; "" if not."""
    start = body[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start.startswith(b"<"):
        return ""
    if _XML_OF_PRIVATE_BUCKET in body[:4096]:
        return "it is XML that says AccessDenied: the bucket or the object is private, or the object does not exist"
    lower = start.lower()
    if lower.startswith((b"<!doctype html", b"<html")) or b"<html" in lower:
        return "it is an HTML page, not JSON"
    if lower.startswith((b"<?xml", b"<error")):
        return "it is XML, not JSON"
    return "it is HTML or XML, not JSON"


def _too_deep() -> str:
    return f"it is nested too deeply: more than {MAX_DEPTH} levels"


def _is_too_deep(value: dict[str, Any]) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            member
            for item in level
            for member in (item.values() if isinstance(item, dict) else item)
            if isinstance(member, dict | list)
        ]
        if not level:
            return False
    return True


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "null"
    return "text" if isinstance(value, str) else "a boolean" if isinstance(value, bool) else "a number"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
