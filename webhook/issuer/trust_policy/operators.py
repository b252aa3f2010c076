"""The condition operators: their names, and how each compares one value of the request with one of the policy.

Source: "IAM JSON policy elements: Condition operators" in IAM's user guide.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from webhook.issuer.trust_policy.patterns import Pattern, components, matches_parts
from webhook.issuer.trust_policy.truth import Truth

SetPrefix: TypeAlias = Literal["", "ForAllValues", "ForAnyValue"]
Compare: TypeAlias = Callable[[Pattern, str], Truth]

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?")
_EPOCH: Final = re.compile(r"[0-9]{1,11}")


@dataclass(frozen=True, slots=True)
class Base:
    """An operator without prefix and suffix. `compare` is that of the positive operator; `is_negated` turns it round.

    `compare` returns None if IAM's documentation does not say what such values give.
    """

    compare: Compare
    is_negated: bool = False
    has_wildcards: bool = False
    has_variables: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    """A condition operator, such as `ForAnyValue:StringLikeIfExists`. `base` is None for `Null`."""

    name: str
    base: Base | None
    set_prefix: SetPrefix = ""
    if_exists: bool = False


def parse_operator(text: str) -> Operator | None:
    """Returns the operator of this name; None if IAM documents no such one."""
    prefix, colon, rest = text.rpartition(":")
    name = rest.removesuffix("IfExists")
    if text == "Null":
        return Operator("Null", None)
    base = _BASES.get(name)
    if base is None or (colon and prefix not in ("ForAllValues", "ForAnyValue")):
        return None
    set_prefix: SetPrefix = "ForAllValues" if prefix == "ForAllValues" else "ForAnyValue" if colon else ""
    return Operator(name, base, set_prefix, if_exists=rest != name)


def operator_names() -> list[str]:
    """Returns all operators without prefix and suffix."""
    return [*_BASES, "Null"]


def _equals(pattern: Pattern, value: str) -> Truth:
    return pattern.text == value


def _equals_ignoring_case(pattern: Pattern, value: str) -> Truth:
    return pattern.text.casefold() == value.casefold()


def _like(pattern: Pattern, value: str) -> Truth:
    return pattern.matches(value)


def _arn_like(pattern: Pattern, value: str) -> Truth:
    """Compares each of an ARN's six components on its own; the last may contain colons."""
    expected, actual = components(pattern.parts, 6), value.split(":", 5)
    if expected is None:
        return None
    if len(actual) != 6:
        return False
    return all(matches_parts(parts, text) for parts, text in zip(expected, actual, strict=True))


def _numeric(holds: Callable[[Decimal, Decimal], bool]) -> Compare:
    def compare(pattern: Pattern, value: str) -> Truth:
        if not _NUMBER.fullmatch(pattern.text) or not _NUMBER.fullmatch(value):
            return None
        return holds(Decimal(value), Decimal(pattern.text))

    return compare


def _date(holds: Callable[[datetime, datetime], bool]) -> Compare:
    def compare(pattern: Pattern, value: str) -> Truth:
        expected, actual = _time(pattern.text), _time(value)
        return None if expected is None or actual is None else holds(actual, expected)

    return compare


def _time(text: str) -> datetime | None:
    """Returns a time, written as ISO 8601 or as seconds since 1970; UTC if it names no zone."""
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _bool(pattern: Pattern, value: str) -> Truth:
    words = {pattern.text.lower(), value.lower()}
    return len(words) == 1 if words <= {"true", "false"} else None


def _binary(pattern: Pattern, value: str) -> Truth:
    try:
        return base64.b64decode(pattern.text, validate=True) == base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def _ip_address(pattern: Pattern, value: str) -> Truth:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(pattern.text, strict=False)
    except ValueError:
        return None


def _string(compare: Compare, *, is_negated: bool = False, has_wildcards: bool = False) -> Base:
    return Base(compare, is_negated, has_wildcards, has_variables=True)


_BASES: Final[dict[str, Base]] = {
    "StringEquals": _string(_equals),
    "StringNotEquals": _string(_equals, is_negated=True),
    "StringEqualsIgnoreCase": _string(_equals_ignoring_case),
    "StringNotEqualsIgnoreCase": _string(_equals_ignoring_case, is_negated=True),
    "StringLike": _string(_like, has_wildcards=True),
    "StringNotLike": _string(_like, is_negated=True, has_wildcards=True),
    # IAM documents that the two positive ones behave identically, and so do the two negated ones.
    "ArnEquals": _string(_arn_like, has_wildcards=True),
    "ArnLike": _string(_arn_like, has_wildcards=True),
    "ArnNotEquals": _string(_arn_like, is_negated=True, has_wildcards=True),
    "ArnNotLike": _string(_arn_like, is_negated=True, has_wildcards=True),
    "NumericEquals": Base(_numeric(lambda actual, expected: actual == expected)),
    "NumericNotEquals": Base(_numeric(lambda actual, expected: actual == expected), is_negated=True),
    "NumericLessThan": Base(_numeric(lambda actual, expected: actual < expected)),
    "NumericLessThanEquals": Base(_numeric(lambda actual, expected: actual <= expected)),
    "NumericGreaterThan": Base(_numeric(lambda actual, expected: actual > expected)),
    "NumericGreaterThanEquals": Base(_numeric(lambda actual, expected: actual >= expected)),
    "DateEquals": Base(_date(lambda actual, expected: actual == expected)),
    "DateNotEquals": Base(_date(lambda actual, expected: actual == expected), is_negated=True),
    "DateLessThan": Base(_date(lambda actual, expected: actual < expected)),
    "DateLessThanEquals": Base(_date(lambda actual, expected: actual <= expected)),
    "DateGreaterThan": Base(_date(lambda actual, expected: actual > expected)),
    "DateGreaterThanEquals": Base(_date(lambda actual, expected: actual >= expected)),
    "Bool": Base(_bool, has_variables=True),
    "BinaryEquals": Base(_binary),
    "IpAddress": Base(_ip_address),
    "NotIpAddress": Base(_ip_address, is_negated=True),
}
