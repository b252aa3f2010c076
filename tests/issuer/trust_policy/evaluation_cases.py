"""The table of evaluation: each case has a sentence, a policy, a request, the outcome, and the rule of IAM behind it.

The rules are those of IAM's user guide, in our words; the key is the page that has the rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.issuer.trust_policy.policies import AUD, EXACT, PROVIDER, REPORTS, STS, SUB, Object, document, statement

LOGIC = "reference_policies_evaluation-logic"
OPERATORS = "reference_policies_elements_condition_operators"
MULTIPLE = "reference_policies_condition-logic-multiple-context-keys-or-values"
SETS = "reference_policies_condition-single-vs-multi-valued-context-keys"
VARIABLES = "reference_policies_variables"
CONDITION = "reference_policies_elements_condition"
PRINCIPAL = "reference_policies_elements_principal"
ACTION = "reference_policies_elements_action"
NOT_ACTION = "reference_policies_elements_notaction"
VERSION = "reference_policies_elements_version"
KEYS = "reference_policies_iam-condition-keys"
UNKNOWN = "ours: what is not known here is never guessed"


@dataclass(frozen=True)
class Case:
    """A policy, a request, and what IAM decides. `keys` are condition keys that the request has besides sub and aud."""

    rule: str
    policy: Object
    outcome: str
    sub: str = REPORTS
    aud: tuple[str, ...] = (STS,)
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def when(operator: str, key: str, value: Any) -> Object:
    """A policy with this one condition."""
    return document(statement({operator: {key: value}}))


OTHER = "arn:aws:iam::444455556666:oidc-provider/oidc.example.com/c1"

STATEMENTS = {
    "an exact policy allows its subject": Case(LOGIC, document(statement(EXACT)), "allowed"),
    "nothing allows another subject": Case(
        LOGIC, document(statement(EXACT)), "denied", sub="system:serviceaccount:shop:web"
    ),
    "nothing allows another audience": Case(LOGIC, document(statement(EXACT)), "denied", aud=("vault",)),
    "one of two Allows is enough": Case(
        LOGIC, document(statement({"StringEquals": {SUB: "x"}}), statement(EXACT)), "allowed"
    ),
    "an explicit Deny wins over an Allow before it": Case(
        LOGIC, document(statement(EXACT), statement(Effect="Deny")), "denied"
    ),
    "an explicit Deny wins over an Allow after it": Case(
        LOGIC, document(statement(Effect="Deny"), statement(EXACT)), "denied"
    ),
    "a Deny that does not apply takes nothing away": Case(
        LOGIC, document(statement(EXACT), statement({"StringEquals": {SUB: "x"}}, Effect="Deny")), "allowed"
    ),
    "a Deny alone allows nothing": Case(
        LOGIC, document(statement({"StringEquals": {SUB: "x"}}, Effect="Deny")), "denied"
    ),
    "a statement without a condition applies": Case(CONDITION, document(statement()), "allowed"),
    "a single statement need not be in a list": Case(
        LOGIC, {"Version": "2012-10-17", "Statement": statement(EXACT)}, "allowed"
    ),
    "the action ignores case": Case(
        ACTION, document(statement(EXACT, Action="STS:assumerolewithwebidentity")), "allowed"
    ),
    "a wildcard in the action matches": Case(ACTION, document(statement(EXACT, Action="sts:AssumeRole*")), "allowed"),
    "one of several actions is enough": Case(
        ACTION, document(statement(EXACT, Action=["sts:TagSession", "sts:AssumeRoleWithWebIdentity"])), "allowed"
    ),
    "sts:AssumeRole is another action": Case(ACTION, document(statement(EXACT, Action="sts:AssumeRole")), "denied"),
    "NotAction matches all that it does not name": Case(
        NOT_ACTION, document(statement(EXACT, Action=None, NotAction="sts:AssumeRole")), "allowed"
    ),
    "NotAction does not match what it names": Case(
        NOT_ACTION, document(statement(EXACT, Action=None, NotAction="sts:*")), "denied"
    ),
    "the provider in another account is another principal": Case(
        PRINCIPAL, document(statement(EXACT, Principal={"Federated": OTHER})), "denied"
    ),
    "one of several principals is enough": Case(
        PRINCIPAL, document(statement(EXACT, Principal={"Federated": [OTHER, str(PROVIDER)]})), "allowed"
    ),
    "a provider under AWS is no federated principal": Case(
        PRINCIPAL, document(statement(EXACT, Principal={"AWS": str(PROVIDER)})), "denied"
    ),
    "a service is another principal": Case(
        PRINCIPAL, document(statement(Principal={"Service": "pods.eks.amazonaws.com"})), "denied"
    ),
    "a principal takes no partial wildcard": Case(
        PRINCIPAL,
        document(statement(EXACT, Principal={"Federated": "arn:aws:iam::111122223333:oidc-provider/*"})),
        "denied",
    ),
    "the principal * is everyone": Case(PRINCIPAL, document(statement(EXACT, Principal="*")), "allowed"),
    "the AWS principal * is everyone too": Case(
        PRINCIPAL, document(statement(EXACT, Principal={"AWS": "*"})), "allowed"
    ),
    "whom the federated principal * means is not documented": Case(
        UNKNOWN, document(statement(EXACT, Principal={"Federated": "*"})), "undetermined"
    ),
    "the scheme is no part of the provider's ARN": Case(
        PRINCIPAL,
        document(statement(EXACT, Principal={"Federated": str(PROVIDER).replace("oidc.", "https://oidc.")})),
        "denied",
    ),
}

CONDITIONS = {
    "the values of a key are ORed": Case(MULTIPLE, when("StringEquals", SUB, ["x", REPORTS]), "allowed"),
    "the keys of an operator are ANDed": Case(
        MULTIPLE, document(statement({"StringEquals": {SUB: REPORTS, AUD: "vault"}})), "denied"
    ),
    "the operators are ANDed": Case(
        MULTIPLE, document(statement({"StringEquals": {SUB: REPORTS}, "StringLike": {AUD: "v*"}})), "denied"
    ),
    "a pattern beside an exact value on the same key adds nobody": Case(
        MULTIPLE,
        document(statement({"StringEquals": {SUB: REPORTS}, "StringLike": {SUB: "system:serviceaccount:shop:*"}})),
        "denied",
        sub="system:serviceaccount:shop:web",
    ),
    "under a negated operator no value may match": Case(
        MULTIPLE, when("StringNotEquals", SUB, ["x", REPORTS]), "denied"
    ),
    "a negated operator holds if no value matches": Case(MULTIPLE, when("StringNotEquals", SUB, ["x", "y"]), "allowed"),
    "names of keys ignore case": Case(CONDITION, when("StringEquals", SUB.upper(), REPORTS), "allowed"),
    "values do not ignore case": Case(OPERATORS, when("StringEquals", SUB, REPORTS.upper()), "denied"),
    "StringEqualsIgnoreCase ignores case": Case(
        OPERATORS, when("StringEqualsIgnoreCase", SUB, REPORTS.upper()), "allowed"
    ),
    "StringNotEqualsIgnoreCase ignores case": Case(
        OPERATORS, when("StringNotEqualsIgnoreCase", SUB, REPORTS.upper()), "denied"
    ),
    "StringEquals takes * as a character": Case(
        OPERATORS, when("StringEquals", SUB, "system:serviceaccount:shop:*"), "denied"
    ),
    "StringLike takes * as any characters, colons too": Case(
        OPERATORS, when("StringLike", SUB, "system:*s"), "allowed"
    ),
    "StringLike takes * as no character too": Case(OPERATORS, when("StringLike", SUB, f"*{REPORTS}*"), "allowed"),
    "StringLike takes ? as one character": Case(
        OPERATORS, when("StringLike", SUB, "system:serviceaccount:shop:report?"), "allowed"
    ),
    "StringLike does not take ? as no character": Case(OPERATORS, when("StringLike", SUB, f"{REPORTS}?"), "denied"),
    "StringLike compares the whole value": Case(OPERATORS, when("StringLike", SUB, "system:serviceaccount"), "denied"),
    "StringLike does not ignore case": Case(OPERATORS, when("StringLike", SUB, "SYSTEM:*"), "denied"),
    "StringNotLike is the opposite": Case(OPERATORS, when("StringNotLike", SUB, "system:*"), "denied"),
    "other characters of regular expressions are themselves": Case(
        OPERATORS, when("StringLike", SUB, "system.serviceaccount.shop.*"), "denied"
    ),
    "ArnLike compares an ARN's components": Case(
        OPERATORS,
        when("ArnLike", "aws:SourceArn", "arn:aws:eks:*:111122223333:cluster/*"),
        "allowed",
        keys={"aws:SourceArn": ("arn:aws:eks:eu-west-1:111122223333:cluster/c1",)},
    ),
    "a wildcard of ArnLike stays within its component": Case(
        OPERATORS,
        when("ArnLike", "aws:SourceArn", "arn:aws:*:cluster/x:y:z"),
        "denied",
        keys={"aws:SourceArn": ("arn:aws:eks:eu-west-1:111122223333:cluster/x:y:z",)},
    ),
    "ArnEquals takes wildcards as ArnLike does": Case(
        OPERATORS,
        when("ArnEquals", "aws:SourceArn", "arn:aws:eks:*:111122223333:cluster/*"),
        "allowed",
        keys={"aws:SourceArn": ("arn:aws:eks:eu-west-1:111122223333:cluster/c1",)},
    ),
    "ArnNotLike is the opposite": Case(
        OPERATORS,
        when("ArnNotLike", "aws:SourceArn", "arn:aws:eks:*:111122223333:cluster/*"),
        "denied",
        keys={"aws:SourceArn": ("arn:aws:eks:eu-west-1:111122223333:cluster/c1",)},
    ),
    "Bool compares true and false": Case(
        OPERATORS, when("Bool", "aws:SecureTransport", True), "allowed", keys={"aws:SecureTransport": ("true",)}
    ),
    "Bool is false for the other one": Case(
        OPERATORS, when("Bool", "aws:SecureTransport", "false"), "denied", keys={"aws:SecureTransport": ("true",)}
    ),
    "numbers are compared as numbers": Case(
        OPERATORS,
        when("NumericLessThan", "sts:DurationSeconds", 10000),
        "allowed",
        keys={"sts:durationseconds": ("900",)},
    ),
    "NumericLessThanEquals includes the limit": Case(
        OPERATORS,
        when("NumericLessThanEquals", "sts:DurationSeconds", "900"),
        "allowed",
        keys={"sts:durationseconds": ("900",)},
    ),
    "NumericNotEquals is the opposite of NumericEquals": Case(
        OPERATORS,
        when("NumericNotEquals", "sts:DurationSeconds", "900.0"),
        "denied",
        keys={"sts:durationseconds": ("900",)},
    ),
    "dates are compared as times": Case(
        OPERATORS,
        when("DateLessThan", "aws:CurrentTime", "2027-01-01T00:00:00Z"),
        "allowed",
        keys={"aws:CurrentTime": ("2026-12-31T23:59:59+00:00",)},
    ),
    "a date may be in seconds since 1970": Case(
        OPERATORS,
        when("DateGreaterThan", "aws:CurrentTime", "1798761600"),
        "denied",
        keys={"aws:CurrentTime": ("2026-12-31T23:59:59+00:00",)},
    ),
    "IpAddress matches a block of addresses": Case(
        OPERATORS,
        when("IpAddress", "aws:SourceIp", "203.0.113.0/24"),
        "allowed",
        keys={"aws:SourceIp": ("203.0.113.9",)},
    ),
    "NotIpAddress is the opposite": Case(
        OPERATORS,
        when("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"),
        "denied",
        keys={"aws:SourceIp": ("203.0.113.9",)},
    ),
    "IpAddress takes IPv6 too": Case(
        OPERATORS,
        when("IpAddress", "aws:SourceIp", "2001:db8::/32"),
        "allowed",
        keys={"aws:SourceIp": ("2001:db8::1",)},
    ),
    "BinaryEquals compares bytes": Case(
        OPERATORS, when("BinaryEquals", "x:key", "QmluYXJ5"), "allowed", keys={"x:key": ("QmluYXJ5",)}
    ),
    "the session's name is a key": Case(
        KEYS, when("StringLike", "sts:RoleSessionName", "ci-*"), "allowed", keys={"sts:RoleSessionName": ("ci-7",)}
    ),
}
