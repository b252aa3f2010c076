"""Evaluates one condition: one key under one operator, against the request.

Source: "Conditions with multiple context keys or values" and "Set operators for multivalued context keys" in IAM's user
guide. The values of a key are ORed; under a negated operator none may match.
"""

from dataclasses import dataclass
from typing import Final

from webhook.issuer.trust_policy.document import Condition
from webhook.issuer.trust_policy.operators import Base, Operator, parse_operator
from webhook.issuer.trust_policy.patterns import Pattern, compiled
from webhook.issuer.trust_policy.request import Request
from webhook.issuer.trust_policy.truth import Truth, all_of, any_of, negated

_UNDOCUMENTED: Final = "IAM's documentation does not say how it compares these values"
_SET_REASONS: Final = {
    ("ForAllValues", True): "each value of the request passes",
    ("ForAllValues", False): "a value of the request does not pass",
    ("ForAnyValue", True): "a value of the request passes",
    ("ForAnyValue", False): "no value of the request passes",
}


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """Whether a condition holds (None: unknown), and why. `actual` has the request's values.

    It is empty if the request lacks the key, and None if they are unknown.
    """

    condition: Condition
    holds: Truth
    reason: str
    actual: tuple[str, ...] | None


def evaluate_condition(condition: Condition, request: Request, *, has_variables: bool) -> ConditionResult:
    """Evaluates one condition; `has_variables` says whether the policy's version knows policy variables."""
    actual = request.values_of(condition.key)
    holds, reason = _evaluate(condition, request, actual, has_variables=has_variables)
    return ConditionResult(condition, holds, reason, actual)


def _evaluate(
    condition: Condition, request: Request, actual: tuple[str, ...] | None, *, has_variables: bool
) -> tuple[Truth, str]:
    operator = parse_operator(condition.operator)
    if operator is None:
        return None, f"{condition.operator} is no operator that IAM documents"
    if not condition.values:
        return None, "it has no value to compare with"
    if actual is None:
        return None, f"the value of {condition.key} is not known here"
    if operator.base is None:
        return _null(condition, actual)
    if not actual:
        return _missing(operator, operator.base)
    patterns = [
        compiled(
            value.text,
            request,
            has_variables=has_variables and operator.base.has_variables,
            has_wildcards=operator.base.has_wildcards,
        )
        for value in condition.values
    ]
    each = [_value_matches(operator.base, patterns, value) for value in actual]
    return _combined(operator, each, patterns)


def _null(condition: Condition, actual: tuple[str, ...]) -> tuple[Truth, str]:
    words = {value.text.lower() for value in condition.values}
    if not words <= {"true", "false"}:
        return None, 'Null takes "true" and "false" only'
    lacks_key = not actual
    state = "the request lacks the key" if lacks_key else "the request has the key"
    return str(lacks_key).lower() in words, state


def _missing(operator: Operator, base: Base) -> tuple[Truth, str]:
    """Returns the outcome for a key that the request lacks."""
    why = "the request lacks the key"
    if operator.set_prefix == "ForAnyValue":
        if operator.if_exists:
            return None, f"{why}, and IAM does not document ForAnyValue with IfExists for that"
        return False, f"{why}: ForAnyValue is then false"
    if operator.set_prefix == "ForAllValues":
        return True, f"{why}: ForAllValues is then true"
    if operator.if_exists:
        return True, f"{why}: an operator with IfExists is then true"
    return base.is_negated, f"{why}: {'a negated operator is then true' if base.is_negated else 'it cannot match'}"


def _value_matches(base: Base, patterns: list[Pattern], value: str) -> Truth:
    """Returns whether the operator holds for one of the request's values."""
    matched = any_of(_compare(base, pattern, value) for pattern in patterns)
    return negated(matched) if base.is_negated else matched


def _compare(base: Base, pattern: Pattern, value: str) -> Truth:
    if pattern.unknown:
        return None
    # A variable without a value is equal to nothing and like nothing.
    return False if pattern.unresolved else base.compare(pattern, value)


def _combined(operator: Operator, each: list[Truth], patterns: list[Pattern]) -> tuple[Truth, str]:
    """Returns the outcome over all values of the request."""
    if not operator.set_prefix and True in each and False in each:
        return None, f"the request has several values, and IAM does not document how {operator.name} compares those"
    holds = any_of(each) if operator.set_prefix == "ForAnyValue" else all_of(each)
    if holds is None:
        return None, next((pattern.unknown for pattern in patterns if pattern.unknown), _UNDOCUMENTED)
    if operator.set_prefix:
        return holds, _SET_REASONS[operator.set_prefix, holds]
    is_negated = operator.base is not None and operator.base.is_negated
    if holds != is_negated:
        return holds, "a value of the policy matches"
    unresolved = next((pattern.unresolved for pattern in patterns if pattern.unresolved), "")
    because = f"; {unresolved} has no value in this request, so it matches nothing" if unresolved else ""
    return holds, f"no value of the policy matches{because}"
