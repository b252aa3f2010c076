"""Policies that Hypothesis makes: valid ones for properties of the evaluation, and JSON of any shape."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.issuer.trust_policy.policies import AUD, PROVIDER, REPORTS, STS, SUB, statement

# How long an example takes says more about the machine than about the code.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

KEYS = (SUB, AUD, PROVIDER.key("amr"), "aws:SourceIp", "aws:RequestTag/team", "accounts.google.com:sub", "sts:x")
VALUES = (
    REPORTS,
    STS,
    "system:serviceaccount:shop:*",
    "*",
    "x",
    "true",
    "10.0.0.0/8",
    "${aws:username}",
    "7",
    "2026-01-01",
)
OPERATORS = (
    *("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "ArnLike", "Bool", "Null", "IpAddress"),
    *("NumericLessThan", "DateLessThan", "Nonsense"),
)
PRINCIPALS: tuple[Any, ...] = (
    {"Federated": str(PROVIDER)},
    {"Federated": "arn:aws:iam::444455556666:oidc-provider/x.example.com"},
    {"AWS": "*"},
    {"Federated": "*"},
    "*",
    {"Service": "ec2.amazonaws.com"},
)

operators = st.builds(
    lambda prefix, name, suffix: prefix + name + suffix,
    st.sampled_from(("", "", "ForAllValues:", "ForAnyValue:")),
    st.sampled_from(OPERATORS),
    st.sampled_from(("", "", "IfExists")),
)
values = st.lists(st.sampled_from(VALUES), min_size=1, max_size=3)
conditions = st.dictionaries(
    operators, st.dictionaries(st.sampled_from(KEYS), values, min_size=1, max_size=2), max_size=2
)


@st.composite
def statements(draw: st.DrawFn, effect: str = "") -> dict[str, Any]:
    """A statement that IAM reads, about web identity or something else."""
    return statement(
        draw(conditions),
        Effect=effect or draw(st.sampled_from(("Allow", "Deny"))),
        Principal=draw(st.sampled_from(PRINCIPALS)),
        Action=draw(st.sampled_from(("sts:AssumeRoleWithWebIdentity", "sts:*", "sts:AssumeRole"))),
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(VALUES),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10) | st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=8,
)
