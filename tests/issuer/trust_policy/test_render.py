"""What render writes: the lint finds nothing in it, it allows exactly its subjects, and Terraform reads the same."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.issuer.trust_policy.policies import AUD, PROVIDER, STS, SUB, request
from tests.issuer.trust_policy.strategies import untimed
from webhook.issuer.trust_policy.document import read_policy
from webhook.issuer.trust_policy.evaluation import evaluate
from webhook.issuer.trust_policy.lint.policy import lint
from webhook.issuer.trust_policy.render import render_policy
from webhook.issuer.trust_policy.subjects import Subject
from webhook.issuer.trust_policy.terraform import as_terraform, quoted

labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
exact = st.builds(Subject, labels, labels)
patterns = st.builds(Subject, labels, st.just("*")) | st.builds(Subject, st.just("*"), labels)


def outcome(rendered: dict[str, Any], subject: Subject, audience: str = STS) -> str:
    return evaluate(read_policy(json.dumps(rendered)), request(str(subject), (audience,))).outcome


@untimed
@given(st.lists(exact, min_size=1, max_size=5), exact)
def test_exact_subjects_are_allowed_and_others_denied(subjects: list[Subject], other: Subject) -> None:
    rendered = render_policy(PROVIDER, subjects, STS)

    assert [outcome(rendered, subject) for subject in subjects] == ["allowed"] * len(subjects)
    assert outcome(rendered, other) == ("allowed" if other in subjects else "denied")
    assert outcome(rendered, subjects[0], "vault") == "denied"
    assert lint(read_policy(json.dumps(rendered))) == []


@untimed
@given(st.lists(exact | patterns, min_size=1, max_size=5), exact)
def test_a_pattern_allows_what_it_says_and_no_more(subjects: list[Subject], other: Subject) -> None:
    rendered = render_policy(PROVIDER, subjects, STS)
    is_meant = any(
        subject.namespace in ("*", other.namespace) and subject.name in ("*", other.name) for subject in subjects
    )

    assert outcome(rendered, other) == ("allowed" if is_meant else "denied")
    assert outcome(rendered, other, "vault") == "denied"


@untimed
@given(st.lists(patterns, min_size=1, max_size=3))
def test_the_lint_names_only_patterns_over_namespaces(subjects: list[Subject]) -> None:
    rules = [finding.rule for finding in lint(read_policy(json.dumps(render_policy(PROVIDER, subjects, STS))))]

    assert rules == ["wildcard-namespace"] * len({str(each) for each in subjects if each.namespace == "*"})


def test_exact_subjects_are_one_statement_and_patterns_another() -> None:
    subjects = [Subject("shop", "web"), Subject("shop", "*"), Subject("shop", "api"), Subject("shop", "web")]

    rendered = render_policy(PROVIDER, subjects, STS)

    assert [statement["Condition"] for statement in rendered["Statement"]] == [
        {
            "StringEquals": {
                AUD: STS,
                SUB: ["system:serviceaccount:shop:api", "system:serviceaccount:shop:web"],
            }
        },
        {"StringEquals": {AUD: STS}, "StringLike": {SUB: "system:serviceaccount:shop:*"}},
    ]


def test_terraform_has_the_same_values() -> None:
    subjects = [Subject("shop", "web"), Subject("shop", "api"), Subject("jobs", "*")]
    rendered = render_policy(PROVIDER, subjects, STS)

    assert _read(as_terraform(rendered)) == rendered["Statement"]


def _read(text: str) -> list[dict[str, Any]]:
    """The statements in a data source as IAM gets them; reads only the layout that ours has."""
    found: list[dict[str, Any]] = []
    for block in re.findall(r"^  statement \{\n(.*?)^  \}$", text, re.MULTILINE | re.DOTALL):
        conditions: dict[str, Any] = {}
        for test, variable, values in re.findall(
            r'condition \{\s+test     = "(\w+)"\s+variable = "([^"]+)"\s+values\s+= \[([^]]*)\]\s+\}', block
        ):
            listed = re.findall(r'"([^"]*)"', values)
            conditions.setdefault(test, {})[variable] = listed[0] if len(listed) == 1 else listed
        kind, identifier = re.findall(r'type        = "(\w+)"\s+identifiers = \["([^"]+)"\]', block)[0]
        found.append(
            {
                "Effect": re.findall(r'effect  = "(\w+)"', block)[0],
                "Principal": {kind: identifier},
                "Action": re.findall(r'actions = \["([^"]+)"\]', block)[0],
                "Condition": conditions,
            }
        )
    return found


STRINGS = {
    "a template": ("${a}", '"$${a}"'),
    "a directive": ("%{if}", '"%%{if}"'),
    "a dollar alone": ("$a", '"$a"'),
    "quotes and backslashes": ('"\\', '"\\"\\\\"'),
    "a line end": ("a\nb", '"a\\nb"'),
    "a control character": ("\x1b", '"\\u001b"'),
}


@pytest.mark.parametrize(("text", "written"), STRINGS.values(), ids=STRINGS)
def test_a_string_of_hcl_is_escaped(text: str, written: str) -> None:
    assert quoted(text) == written
