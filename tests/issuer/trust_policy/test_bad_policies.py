"""Texts that are no policies, and policies of any shape: one sentence, or a result; never another error."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.issuer.trust_policy.policies import AUD, STS, SUB, document, policy, request, statement
from tests.issuer.trust_policy.strategies import json_values, untimed
from webhook.issuer.json_object import DocumentError
from webhook.issuer.trust_policy.document import read_policy
from webhook.issuer.trust_policy.evaluation import evaluate
from webhook.issuer.trust_policy.json_text import MAX_CHARACTERS
from webhook.issuer.trust_policy.lint.policy import lint

TOO_DEEP = "it is nested too deeply: more than 20 levels"
TOO_LONG = f"it has more than {MAX_CHARACTERS} characters, too many for a trust policy"
UNREADABLE = {
    "0 bytes": ("", "it is empty (0 bytes)"),
    "white space": (" \n\t", "it is empty, except for white space"),
    "a byte order mark alone": ("\ufeff", "it is empty (0 bytes)"),
    "HTML": ("<!doctype html><p>", "it is an HTML page, not JSON"),
    "text": ("not JSON", "it is not JSON: Expecting value (line 1, column 1)"),
    "half of a policy": (
        '\n{\n"Version": "2012',
        "it is not JSON: Unterminated string starting at (line 3, column 12)",
    ),
    "a list": ("[]", "it is not a JSON object but a list"),
    "a string": ('"x"', "it is not a JSON object but a string"),
    "null": ("null", "it is not a JSON object but null"),
    "not a number": ('{"a": NaN}', "it is not JSON: NaN is no JSON value"),
    "a number of 5,000 digits": ('{"a": ' + "9" * 5000 + "}", "it has a number with too many digits"),
    "a number that is too large": ('{"a": 1e999}', "it has a number that is too large"),
    "nesting of 21": ('{"a":' * 21 + "1" + "}" * 21, TOO_DEEP),
    "nesting of 20,000": ("[" * 20_000, TOO_DEEP),
    "too long": (
        " " * MAX_CHARACTERS + "{}",
        TOO_LONG,
    ),
    "a role without its policy": (
        '{"Role": {"Arn": "x"}}',
        "it has a Role without AssumeRolePolicyDocument, so it is no output of aws iam get-role",
    ),
    "a role with half of its policy": (
        '{"Role": {"AssumeRolePolicyDocument": "%7B%22"}}',
        "it is not JSON: Unterminated string starting at (line 1, column 2)",
    ),
}


@pytest.mark.parametrize(("text", "problem"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_text_that_is_no_policy_is_called_what_it_is(text: str, problem: str) -> None:
    with pytest.raises(DocumentError) as raised:
        read_policy(text)

    assert str(raised.value) == problem


def judged(text: str) -> None:
    """Reads, evaluates and lints; each finding has a place."""
    try:
        read = read_policy(text)
    except DocumentError:
        return
    evaluate(read, request())
    for finding in lint(read):
        assert finding.path.startswith("$")
        assert finding.what
        assert finding.fix


@untimed
@given(st.text())
def test_any_text_is_a_policy_or_unreadable(text: str) -> None:
    judged(text)


@untimed
@given(json_values)
def test_any_json_is_a_policy_or_unreadable(value: Any) -> None:
    judged(json.dumps(value))


@untimed
@given(
    st.sampled_from(("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "Condition")),
    json_values,
)
def test_any_value_of_a_statement_s_member_is_judged(name: str, value: Any) -> None:
    whole = statement({"StringEquals": {SUB: "x", AUD: STS}}) | {name: value}

    judged(json.dumps(document(whole)))


@untimed
@given(st.sampled_from(("StringEquals", "StringLike", "Null", "DateLessThan", "IpAddress", "ArnLike")), json_values)
def test_any_value_of_a_condition_is_judged(operator: str, value: Any) -> None:
    judged(json.dumps(document(statement({operator: {SUB: value, "aws:CurrentTime": value}}))))
    judged(json.dumps(document(statement({operator: value}))))


@untimed
@given(json_values)
def test_any_value_of_the_version_is_judged(value: Any) -> None:
    judged(json.dumps(document(statement(), version=None) | {"Version": value}))


EXPENSIVE = {
    "many stars": statement({"StringLike": {SUB: "*a" * 2000 + "b"}}),
    "many question marks": statement({"StringLike": {SUB: "*" + "?" * 4000 + "b"}}),
    "many values": statement({"StringLike": {SUB: ["*a*b*c"] * 10_000}}),
    "many members": statement({f"Op{index}": {SUB: "x"} for index in range(5_000)}),
    "many variables": statement({"StringLike": {SUB: "${*}" * 20_000}}),
    "many open variables": statement({"StringLike": {SUB: "${" * 20_000}}),
    "many quotes in a key": statement({"StringLike": {'"\\.[' * 20_000 + ":sub": "x"}}),
    "many dots in a key": statement({"StringLike": {"a." * 50_000 + ":sub": "x"}}),
    "many slashes in a key": statement({"StringLike": {"a.b/" + "/:" * 50_000 + "sub": "x"}}),
}


@pytest.mark.parametrize("hostile", EXPENSIVE.values(), ids=EXPENSIVE)
def test_a_hostile_policy_takes_no_long_time(hostile: dict[str, Any]) -> None:
    text = json.dumps(document(hostile))
    started = time.process_time()
    read = read_policy(text)

    evaluate(read, request("a" * 20_000))
    lint(read)

    assert time.process_time() - started < 10


def test_lines_are_those_of_the_text() -> None:
    read = policy(statement({"StringEquals": {SUB: ["x", 'a "quoted" \\ {text}: , [1]'], AUD: STS}}))

    where = f'$.Statement[0].Condition.StringEquals["{SUB}"]'
    assert [read.line_of(path) for path in ("$", "$.Version", "$.Statement[0].Effect", where, f"{where}[1]")] == [
        1,
        2,
        5,
        12,
        14,
    ]
    assert read.line_of("$.Statement[0].NotThere") == 4
    assert read.line_of("$.a.b.c.d.e.f") is None
