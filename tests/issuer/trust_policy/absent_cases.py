"""Cases of the evaluation about what a request lacks, has several times, or about what is not known of it."""

from tests.issuer.trust_policy.evaluation_cases import (
    KEYS,
    LOGIC,
    OPERATORS,
    SETS,
    UNKNOWN,
    VARIABLES,
    VERSION,
    Case,
    when,
)
from tests.issuer.trust_policy.policies import AUD, EXACT, PROVIDER, REPORTS, STS, SUB, document, statement

TAG = {"aws:RequestTag/team": ("blue",)}
NO_TAG: dict[str, tuple[str, ...]] = {"aws:RequestTag/team": ()}
TEAM = "aws:RequestTag/team"
KEYS_OF_TAGS = "aws:TagKeys"
MISSING = {
    "a positive operator is false without the key": Case(
        OPERATORS, when("StringEquals", TEAM, "x"), "denied", keys=NO_TAG
    ),
    "StringLike * is false without the key": Case(OPERATORS, when("StringLike", TEAM, "*"), "denied", keys=NO_TAG),
    "a negated operator is true without the key": Case(
        OPERATORS, when("StringNotEquals", TEAM, "x"), "allowed", keys=NO_TAG
    ),
    "NotIpAddress is true without the key": Case(
        OPERATORS, when("NotIpAddress", "aws:SourceIp", "10.0.0.0/8"), "allowed", keys={"aws:SourceIp": ()}
    ),
    "IfExists is true without the key": Case(
        OPERATORS, when("StringEqualsIfExists", TEAM, "x"), "allowed", keys=NO_TAG
    ),
    "IfExists compares the key if it is there": Case(
        OPERATORS, when("StringEqualsIfExists", TEAM, "x"), "denied", keys=TAG
    ),
    "Null true holds without the key": Case(OPERATORS, when("Null", TEAM, "true"), "allowed", keys=NO_TAG),
    "Null true does not hold with the key": Case(OPERATORS, when("Null", SUB, "true"), "denied"),
    "Null false holds with the key": Case(OPERATORS, when("Null", SUB, False), "allowed"),
    "ForAllValues is true without the key": Case(
        SETS, when("ForAllValues:StringEquals", KEYS_OF_TAGS, "x"), "allowed", keys={KEYS_OF_TAGS: ()}
    ),
    "ForAnyValue is false without the key": Case(
        SETS, when("ForAnyValue:StringEquals", KEYS_OF_TAGS, "x"), "denied", keys={KEYS_OF_TAGS: ()}
    ),
    "ForAnyValue is false without the key under a negated operator too": Case(
        SETS, when("ForAnyValue:StringNotEquals", KEYS_OF_TAGS, "x"), "denied", keys={KEYS_OF_TAGS: ()}
    ),
    "ForAnyValue with IfExists is not documented without the key": Case(
        UNKNOWN, when("ForAnyValue:StringEqualsIfExists", KEYS_OF_TAGS, "x"), "undetermined", keys={KEYS_OF_TAGS: ()}
    ),
    "the key of another provider is missing": Case(
        KEYS, when("StringEquals", "accounts.google.com:sub", REPORTS), "denied"
    ),
    "the key with a trailing slash is another provider's": Case(
        KEYS, when("StringEquals", "oidc.example.com/c1/:sub", REPORTS), "denied"
    ),
    "the key with a scheme is another provider's": Case(
        KEYS, when("StringEquals", f"https://{SUB}", REPORTS), "denied"
    ),
    "a claim that the token lacks is a missing key": Case(
        KEYS, when("StringEquals", PROVIDER.key("amr"), "authenticated"), "denied"
    ),
}

SET_OPERATORS = {
    "ForAllValues needs each value of the request to match": Case(
        SETS, when("ForAllValues:StringEquals", KEYS_OF_TAGS, ["a", "b"]), "denied", keys={KEYS_OF_TAGS: ("a", "c")}
    ),
    "ForAllValues holds if each value matches": Case(
        SETS, when("ForAllValues:StringLike", KEYS_OF_TAGS, ["a*", "b"]), "allowed", keys={KEYS_OF_TAGS: ("ax", "b")}
    ),
    "ForAnyValue needs one value of the request to match": Case(
        SETS, when("ForAnyValue:StringEquals", KEYS_OF_TAGS, ["a", "b"]), "allowed", keys={KEYS_OF_TAGS: ("a", "c")}
    ),
    "ForAnyValue does not hold if no value matches": Case(
        SETS, when("ForAnyValue:StringEquals", KEYS_OF_TAGS, ["a", "b"]), "denied", keys={KEYS_OF_TAGS: ("c", "d")}
    ),
    "ForAllValues negated needs each value to match nothing": Case(
        SETS, when("ForAllValues:StringNotEquals", KEYS_OF_TAGS, "a"), "denied", keys={KEYS_OF_TAGS: ("a", "c")}
    ),
    "ForAnyValue negated needs one value that matches nothing": Case(
        SETS, when("ForAnyValue:StringNotEquals", KEYS_OF_TAGS, "a"), "allowed", keys={KEYS_OF_TAGS: ("a", "c")}
    ),
    "several audiences without a set operator are undetermined if they differ": Case(
        UNKNOWN, when("StringEquals", AUD, STS), "undetermined", aud=(STS, "vault")
    ),
    "several audiences of which none matches are denied": Case(
        SETS, when("StringEquals", AUD, STS), "denied", aud=("a", "vault")
    ),
}

VARIABLE = {
    "${*} is the character": Case(VARIABLES, when("StringLike", SUB, "system:${*}"), "denied"),
    "${*} matches the character": Case(VARIABLES, when("StringLike", SUB, "a${*}b"), "allowed", sub="a*b"),
    "${?} is the character": Case(VARIABLES, when("StringEquals", SUB, "a${?}"), "allowed", sub="a?"),
    "${$} is the character": Case(VARIABLES, when("StringEquals", SUB, "${$}{x}"), "allowed", sub="${x}"),
    "a variable is the value of a key": Case(
        VARIABLES,
        when("StringLike", SUB, "system:serviceaccount:${aws:requesttag/TEAM}:*"),
        "allowed",
        sub="system:serviceaccount:blue:x",
        keys=TAG,
    ),
    "a variable without a value matches nothing": Case(
        VARIABLES, when("StringLike", SUB, f"*${{{TEAM}}}"), "denied", keys=NO_TAG
    ),
    "a variable without a value leaves a negated operator true": Case(
        VARIABLES, when("StringNotEquals", SUB, f"${{{TEAM}}}"), "allowed", keys=NO_TAG
    ),
    "a variable without a value does not even match an empty value": Case(
        VARIABLES, when("StringEquals", SUB, f"${{{TEAM}}}"), "denied", sub="", keys=NO_TAG
    ),
    "a variable may have a default": Case(
        VARIABLES, when("StringEquals", SUB, f"${{{TEAM}, 'red'}}"), "allowed", sub="red", keys=NO_TAG
    ),
    "a variable of an unknown key is undetermined": Case(
        UNKNOWN, when("StringEquals", SUB, "${aws:PrincipalTag/team}"), "undetermined"
    ),
    "without the version of 2012 a variable is plain text": Case(
        VERSION,
        document(statement({"StringEquals": {SUB: f"${{{TEAM}}}"}}), version="2008-10-17"),
        "denied",
        sub="blue",
        keys=TAG,
    ),
    "a policy without a version is of 2008": Case(
        VERSION,
        document(statement({"StringEquals": {SUB: f"${{{TEAM}}}"}}), version=None),
        "allowed",
        sub=f"${{{TEAM}}}",
    ),
    "numbers take no variables": Case(
        UNKNOWN, when("NumericEquals", "x:count", "${x:count}"), "undetermined", keys={"x:count": ("1",)}
    ),
}

NOT_KNOWN = {
    "the source IP is not known": Case(UNKNOWN, when("IpAddress", "aws:SourceIp", "10.0.0.0/8"), "undetermined"),
    "Null of an unknown key is not known": Case(UNKNOWN, when("Null", "aws:SourceIp", "true"), "undetermined"),
    "IfExists of an unknown key is not known": Case(
        UNKNOWN, when("StringEqualsIfExists", "aws:PrincipalOrgID", "o-1"), "undetermined"
    ),
    "an unknown operator is undetermined": Case(UNKNOWN, when("StringMatches", SUB, REPORTS), "undetermined"),
    "an operator with other letter case is undetermined": Case(
        UNKNOWN, when("stringequals", SUB, REPORTS), "undetermined"
    ),
    "an unknown claim of the provider is undetermined": Case(
        UNKNOWN, when("StringEquals", PROVIDER.key("iss"), "x"), "undetermined"
    ),
    "a condition that is false decides beside an unknown one": Case(
        LOGIC,
        document(statement({"StringEquals": {SUB: "x"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})),
        "denied",
    ),
    "an Allow that applies decides beside an unknown one": Case(
        LOGIC, document(statement({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), statement(EXACT)), "allowed"
    ),
    "an unknown Deny makes an Allow undetermined": Case(
        LOGIC,
        document(statement(EXACT), statement({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, Effect="Deny")),
        "undetermined",
    ),
    "an unknown Deny does not matter if nothing allows": Case(
        LOGIC, document(statement({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, Effect="Deny")), "denied"
    ),
    "a Deny that applies decides beside an unknown Allow": Case(
        LOGIC,
        document(statement({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), statement(Effect="Deny")),
        "denied",
    ),
    "a value that is no number is undetermined": Case(UNKNOWN, when("NumericEquals", SUB, "1"), "undetermined"),
    "a policy that IAM refuses is undetermined": Case(
        UNKNOWN, document(statement(EXACT, Resource="*")), "undetermined"
    ),
    "NotPrincipal is not allowed in a trust policy": Case(
        UNKNOWN, document(statement(EXACT, Principal=None, NotPrincipal={"AWS": "*"})), "undetermined"
    ),
}
