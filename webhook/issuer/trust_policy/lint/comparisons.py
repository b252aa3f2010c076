"""Mistakes in how a statement compares `sub` and `aud`: operators that let too much in, values that never match."""

import difflib
from collections.abc import Iterator
from typing import Final

from webhook.issuer.trust_policy.document import Condition, Statement, TrustPolicy, Value
from webhook.issuer.trust_policy.lint.finding import Finding
from webhook.issuer.trust_policy.lint.keys import claim_of
from webhook.issuer.trust_policy.operators import Operator, operator_names, parse_operator
from webhook.issuer.trust_policy.patterns import Part, Wildcard, has_wildcard, literal_pattern, variables_in
from webhook.issuer.trust_policy.subjects import PREFIX, pattern_problem, scope, subject_problem

_EXACT: Final = frozenset({"StringEquals", "StringEqualsIgnoreCase", "StringNotEquals", "StringNotEqualsIgnoreCase"})
_LIKE: Final = frozenset({"StringLike", "StringNotLike"})
_ITSELF: Final = frozenset({"${*}", "${?}", "${$}"})

# Providers that are no clusters: their subjects have forms of their own.
_NO_CLUSTERS: Final = ("token.actions.githubusercontent.com", "gitlab.com", "app.terraform.io")


def lint_comparisons(policy: TrustPolicy, statement: Statement) -> Iterator[Finding]:
    """Yields the mistakes in the operators and values of a statement that is about web identity."""
    for condition in statement.conditions:
        operator = parse_operator(condition.operator)
        if operator is None:
            yield _unknown(condition)
            continue
        claim = claim_of(condition)
        if claim not in ("sub", "aud") or operator.base is None:
            continue
        if statement.effect == "Allow":
            yield from _weak(condition, operator, claim)
        if not operator.name.startswith("String"):
            what = f"is compared by {operator.name}, but {claim} is text"
            yield Finding("operator-type", condition.path, what, "use StringEquals, or StringLike for a pattern")
            continue
        for value in condition.values:
            yield from _lint_value(policy, statement, condition, operator, value)
    if statement.effect == "Allow":
        yield from _equals_and_like(statement)


def lint_variables(policy: TrustPolicy, statement: Statement) -> Iterator[Finding]:
    """Yields the policy variables in a policy whose version does not know them."""
    if policy.has_variables:
        return
    for condition in statement.conditions:
        for value in condition.values:
            if found := variables_in(value.text):
                what = f"has the policy variable {found[0]}, which is plain text without Version 2012-10-17"
                yield Finding("variable-version", value.path, what, 'set "Version": "2012-10-17"')


def _unknown(condition: Condition) -> Finding:
    names = {name.lower(): name for name in operator_names()}
    prefix, colon, rest = condition.operator.rpartition(":")
    close = difflib.get_close_matches(rest[:100].lower().removesuffix("ifexists"), names, n=1)
    fix = f"write {names[close[0]]}" if close else "use an operator that IAM documents, such as StringEquals"
    what = f"{condition.operator!r} is no operator that IAM knows"
    if colon and prefix not in ("ForAllValues", "ForAnyValue"):
        what = f"{prefix!r} is no set operator that IAM knows"
        fix = "use no prefix: sub and aud have one value each"
    return Finding("unknown-operator", condition.path, what, fix)


def _weak(condition: Condition, operator: Operator, claim: str) -> Iterator[Finding]:
    """Yields why the operator lets in more than it seems to."""
    exact = f"use StringEquals: a token always has {claim}"
    if operator.set_prefix == "ForAllValues":
        what = "is true if the token lacks the key: ForAllValues needs no value"
        yield Finding("for-all-values", condition.path, what, exact)
    if operator.if_exists:
        yield Finding("if-exists", condition.path, "is true if the token lacks the key (IfExists)", exact)
    if operator.base is not None and operator.base.is_negated:
        what = f"lets in every token whose {claim} it does not name ({operator.name})"
        yield Finding("negated", condition.path, what, "use StringEquals, and name what may enter")


def _lint_value(
    policy: TrustPolicy, statement: Statement, condition: Condition, operator: Operator, value: Value
) -> Iterator[Finding]:
    claim, text = claim_of(condition), value.text
    found = [variable for variable in variables_in(text) if variable not in _ITSELF]
    if operator.name in _EXACT:
        if has_wildcard(text):
            what = f"{text!r} has a wildcard, which {operator.name} takes as a character: it never matches"
            like = operator.name.replace("EqualsIgnoreCase", "Like").replace("Equals", "Like")
            yield Finding("wildcard-under-equals", value.path, what, f"use {like}, or name each subject")
        elif claim == "sub" and not found and not _is_no_cluster(condition) and (problem := subject_problem(text)):
            yield Finding(
                "impossible-sub", value.path, f"no ServiceAccount has the sub {text!r}: {problem}", _form(text)
            )
    elif operator.name in _LIKE and not found and statement.effect == "Allow":
        parts = literal_pattern(text, has_variables=policy.has_variables)
        if claim == "aud" and all(part is Wildcard.ANY for part in parts):
            yield Finding("any-aud", value.path, f"{text!r} lets in every audience", "name it: sts.amazonaws.com")
        elif claim == "sub" and not _is_no_cluster(condition):
            yield from _lint_subject_pattern(value, parts)


def _lint_subject_pattern(value: Value, parts: tuple[Part, ...]) -> Iterator[Finding]:
    text = value.text
    if all(isinstance(part, str) for part in parts):
        plain = "".join(map(str, parts))
        if problem := subject_problem(plain):
            yield Finding(
                "impossible-sub", value.path, f"no ServiceAccount has the sub {plain!r}: {problem}", _form(plain)
            )
        return
    if problem := pattern_problem(parts):
        yield Finding("impossible-sub", value.path, f"no ServiceAccount matches {text!r}: {problem}", _form(text))
        return
    whom = scope(parts)
    if whom == "cluster":
        what = f"{text!r} lets in every pod of the cluster"
        yield Finding("every-subject", value.path, what, f"name the ServiceAccounts: {PREFIX}NAMESPACE:NAME")
    elif whom == "namespaces":
        what = f"{text!r} matches in several namespaces: whoever creates such a namespace may assume the role"
        yield Finding("wildcard-namespace", value.path, what, f"name the namespace: {PREFIX}NAMESPACE:…")


def _equals_and_like(statement: Statement) -> Iterator[Finding]:
    """Yields a finding if an exact and a pattern operator are on the same `sub` or `aud`: both must hold."""
    seen: dict[str, set[str]] = {}
    for condition in statement.conditions:
        operator = parse_operator(condition.operator)
        if claim_of(condition) not in ("sub", "aud") or operator is None:
            continue
        names = seen.setdefault(condition.key.lower(), set())
        kind = {"StringEquals": "exact", "StringEqualsIgnoreCase": "exact", "StringLike": "like"}.get(operator.name, "")
        names.add(kind)
        if {"exact", "like"} <= names and kind:
            what = "is compared exactly and as a pattern in one statement: both must hold, so the pattern adds nobody"
            yield Finding("equals-and-like", condition.path, what, "put the pattern into a statement of its own")
            names.clear()


def _is_no_cluster(condition: Condition) -> bool:
    return condition.key.lower().startswith(_NO_CLUSTERS)


def _form(text: str) -> str:
    """Returns the fix for a subject; for `NAMESPACE/NAME` and `NAMESPACE:NAME`, the subject that was meant."""
    for separator in "/:":
        guess = f"{PREFIX}{text.strip().replace(separator, ':')}"
        if text.count(separator) == 1 and not subject_problem(guess):
            return f"write {guess}"
    return f"write {PREFIX}NAMESPACE:NAME"
