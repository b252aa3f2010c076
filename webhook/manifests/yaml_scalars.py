"""Says what a YAML scalar means to the Kubernetes tools (sigs.k8s.io/yaml), as a value that JSON can hold.

Scalars follow YAML 1.1 with the exceptions of those tools: `yes`, `on` and `y` are booleans, 0644 and 0o644 are 420,
but dates and 12:30:00 stay strings.
"""

import re
from math import isinf
from typing import Final

import yaml

from webhook.manifests.json_text import is_int64

TAG: Final = "tag:yaml.org,2002:"

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
# In YAML 1.1, a leading 0 without an o means octal.
_OCTAL: Final = re.compile(r"^([-+]?)0(?=[0-7]+$)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_JSON: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class Unusable(ValueError):
    """A part of a YAML text has no meaning in a manifest; who knows the line adds it."""


def scalar_value(event: yaml.ScalarEvent) -> str | float | bool | None:
    """Returns the value of a scalar. Raises Unusable if JSON has no such number, or if its tag does not fit."""
    text: str = event.value
    is_plain, _ = event.implicit
    if event.tag in (None, "!"):
        return _plain(text) if is_plain else text
    tag = event.tag.removeprefix(TAG)
    if tag in ("str", "timestamp", "merge"):
        return text
    value = _plain(text)
    fits = {"null": value is None, "bool": isinstance(value, bool), "int": type(value) is int, "float": True}
    if tag not in fits:
        raise unsupported(event.tag)
    if not fits[tag]:
        raise Unusable(f"!!{tag} does not fit {text[:40]!r}")
    return value


def unsupported(tag: str) -> Unusable:
    """Returns the error for a tag that has no meaning in a manifest."""
    shown = f"!!{tag.removeprefix(TAG)}" if tag.startswith(TAG) else tag
    return Unusable(f"the tag {shown[:80]} is not supported")


def _plain(text: str) -> str | float | bool | None:
    return _WORDS[text] if text in _WORDS else _number(text)


def _number(text: str) -> str | float:
    """Returns an integer if it fits in 64 bits, else a float; returns the text if it is not a number."""
    if text[0] not in "-+.0123456789":
        return text
    if _NOT_JSON.fullmatch(text):
        raise Unusable(f"{text} is not a number in JSON")
    digits = text.replace("_", "")
    try:
        value = int(_OCTAL.sub(r"\g<1>0o", digits), 0) if digits.isascii() else None
    except ValueError:
        value = None
    if value is not None and is_int64(value):
        return value
    if value is not None and 0 < value < 2**64:
        return float(value)
    if not _FLOAT.fullmatch(digits) or isinf(approximate := float(digits)):
        return text
    return int(approximate) if approximate.is_integer() and is_int64(int(approximate)) else approximate
