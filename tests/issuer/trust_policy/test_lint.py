"""The lint: each mistake gives exactly its findings, and a good policy gives none."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.issuer.trust_policy.good_policies import GOOD
from tests.issuer.trust_policy.lint_cases import MISTAKES, Mistake
from tests.issuer.trust_policy.policies import AUD, EXACT, STS, SUB, document, statement
from webhook.issuer.trust_policy.document import read_policy
from webhook.issuer.trust_policy.lint.policy import lint


def text_of(policy: Any) -> str:
    return policy if isinstance(policy, str) else json.dumps(policy, indent=2)


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_gives_exactly_its_findings(mistake: Mistake) -> None:
    found = lint(read_policy(text_of(mistake.policy)))

    assert [(finding.rule, finding.path) for finding in found] == [(rule, path) for rule, path, _ in mistake.found]
    for finding, (_, _, what) in zip(found, mistake.found, strict=True):
        assert what in finding.what
        assert finding.fix


@pytest.mark.parametrize("policy", GOOD.values(), ids=GOOD)
def test_a_good_policy_gives_no_finding(policy: Any) -> None:
    assert lint(read_policy(text_of(policy))) == []


@pytest.mark.parametrize("policy", GOOD.values(), ids=GOOD)
def test_a_url_encoded_policy_is_read_as_the_same(policy: Any) -> None:
    read, encoded = read_policy(text_of(policy)), read_policy(quote(text_of(policy)))

    assert (encoded.statements, encoded.size) == (read.statements, read.size)


def test_the_document_in_a_role_may_be_url_encoded() -> None:
    inner = document(statement({"StringEquals": {SUB: "x", AUD: STS}}))
    role = {"Role": {"AssumeRolePolicyDocument": quote(json.dumps(inner))}}

    (finding,) = lint(read_policy(json.dumps(role)))

    where = f'$.Role.AssumeRolePolicyDocument.Statement[0].Condition.StringEquals["{SUB}"]'
    assert (finding.rule, finding.path) == ("impossible-sub", where)


FIXES = {
    "shop/reports": "write system:serviceaccount:shop:reports",
    "shop:reports": "write system:serviceaccount:shop:reports",
    "reports": "write system:serviceaccount:NAMESPACE:NAME",
}


@pytest.mark.parametrize(("sub", "fix"), FIXES.items(), ids=FIXES)
def test_the_fix_of_a_sub_is_the_subject_that_was_meant(sub: str, fix: str) -> None:
    (finding,) = lint(read_policy(text_of(document(statement({"StringEquals": {SUB: sub, AUD: STS}})))))

    assert finding.fix == fix


def test_the_size_is_without_white_space_as_iam_counts() -> None:
    policy = document(statement(EXACT))

    sizes = {read_policy(json.dumps(policy, indent=indent)).size for indent in (None, 1, 8)}

    assert sizes == {len(json.dumps(policy, separators=(",", ":")))}
