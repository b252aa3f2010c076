"""The evaluation, case by case: the outcome follows the rule that the case names."""

import json

import pytest

from tests.issuer.trust_policy.absent_cases import MISSING, NOT_KNOWN, SET_OPERATORS, VARIABLE
from tests.issuer.trust_policy.evaluation_cases import CONDITIONS, STATEMENTS, UNKNOWN, Case
from tests.issuer.trust_policy.policies import AUD, EXACT, PROVIDER, REPORTS, STS, SUB, policy, request, statement
from webhook.issuer.trust_policy.document import read_policy
from webhook.issuer.trust_policy.evaluation import evaluate

CASES = {**STATEMENTS, **CONDITIONS, **MISSING, **SET_OPERATORS, **VARIABLE, **NOT_KNOWN}


def test_the_table_has_sixty_cases_and_most_follow_a_rule_of_iam() -> None:
    assert len(CASES) >= 60
    assert sum(case.rule != UNKNOWN for case in CASES.values()) >= 60


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_outcome_is_that_of_iam(case: Case) -> None:
    verdict = evaluate(read_policy(json.dumps(case.policy)), request(case.sub, case.aud, case.keys))

    assert verdict.outcome == case.outcome, verdict


REASONS = {
    "another value": ({"StringEquals": {SUB: "x"}}, False, "no value of the policy matches", (REPORTS,)),
    "the value": ({"StringEquals": {SUB: REPORTS}}, True, "a value of the policy matches", (REPORTS,)),
    "an unknown key": (
        {"StringEquals": {"aws:SourceIp": "x"}},
        None,
        "the value of aws:SourceIp is not known here",
        None,
    ),
    "a missing key": (
        {"StringEquals": {"other.example.com:sub": "x"}},
        False,
        "the request lacks the key: it cannot match",
        (),
    ),
    "a missing key, negated": (
        {"StringNotEquals": {"other.example.com:sub": "x"}},
        True,
        "the request lacks the key: a negated operator is then true",
        (),
    ),
    "an unknown operator": ({"Equals": {AUD: STS}}, None, "Equals is no operator that IAM documents", (STS,)),
    "a variable without a value": (
        {"StringEquals": {AUD: "${other.example.com:sub}"}},
        False,
        "no value of the policy matches; ${other.example.com:sub} has no value in this request, so it matches nothing",
        (STS,),
    ),
    "each value passes": ({"ForAllValues:StringEquals": {AUD: STS}}, True, "each value of the request passes", (STS,)),
}


@pytest.mark.parametrize(("conditions", "holds", "reason", "actual"), REASONS.values(), ids=REASONS)
def test_a_condition_says_why_it_holds_or_not(
    conditions: dict[str, dict[str, str]], holds: bool | None, reason: str, actual: tuple[str, ...] | None
) -> None:
    (result,) = evaluate(policy(statement(conditions)), request()).statements[0].conditions

    assert (result.holds, result.reason, result.actual) == (holds, reason, actual)


VERDICTS = {
    "an Allow": ((statement(EXACT),), "an Allow applies: $.Statement[0]"),
    "no Allow": ((statement({"StringEquals": {SUB: "x"}}),), "no Allow applies"),
    "a Deny": ((statement(EXACT), statement(Effect="Deny")), "an explicit Deny applies: $.Statement[1]"),
    "an unknown Allow": (
        (statement({"Bool": {"aws:SecureTransport": True}}),),
        "it is not known whether an Allow applies: $.Statement[0]",
    ),
    "an unknown Deny": (
        (statement(EXACT), statement({"Bool": {"aws:SecureTransport": False}}, Effect="Deny")),
        "it is not known whether a Deny applies: $.Statement[1]",
    ),
    "a refused policy": (
        (statement(EXACT, Resource="*"),),
        "IAM refuses this policy, or may read it otherwise: $.Statement[0].Resource: is not allowed in a trust policy",
    ),
}


@pytest.mark.parametrize(("statements", "reason"), VERDICTS.values(), ids=VERDICTS)
def test_the_verdict_says_which_statement_decides(statements: tuple[dict[str, object], ...], reason: str) -> None:
    assert evaluate(policy(*statements), request()).reason == reason


def test_principal_and_action_say_why_they_match() -> None:
    (first, second) = evaluate(
        policy(statement(), statement(Principal={"Service": "x"}, Action="sts:AssumeRole")), request()
    ).statements

    assert (first.principal.reason, first.action.reason) == (
        "it is the token's provider",
        "Action names the request's action",
    )
    assert (second.principal.reason, second.action.reason) == (
        "none of its principals is the token's provider",
        "Action names other actions only",
    )
    assert str(PROVIDER) == "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/c1"
