from datetime import UTC, datetime

import pytest

from tests.diagnosis.doctor.objects import ISSUER, ROLE
from tests.sts.policies import trust_policy
from webhook.diagnosis.doctor.facts import Assumption, Published, Role
from webhook.diagnosis.doctor.iam import (
    assume_step,
    audience_step,
    is_denied,
    provider_of,
    provider_step,
    trust_step,
)
from webhook.diagnosis.doctor.questions import ASSUME, AUDIENCE, KEYS, PROVIDER, TRUST
from webhook.diagnosis.doctor.read import Read
from webhook.diagnosis.doctor.step import Step
from webhook.issuer.trust_policy.provider import ProviderArn

_NOW = datetime(2026, 11, 29, tzinfo=UTC)
_PROVIDER = ProviderArn("aws", "111122223333", "oidc.example.com")
_SUBJECT = "system:serviceaccount:shop:reports"
_PUBLISHED = Published(issuer=ISSUER, audience="sts.amazonaws.com")
_NOT_SEEN = "AWS's side cannot be seen from here"


def _role(client_ids: list[str] | None = None, *providers: str, problem: str = "") -> Role:
    return Role(source="role.json", client_ids=Read(client_ids, problem), providers=providers)


def test_the_provider_is_looked_for_in_the_account_of_the_role() -> None:
    assert provider_of(ROLE, ISSUER) == _PROVIDER
    assert provider_of("s3-reader", ISSUER) is None
    assert provider_of(ROLE, "") is None


@pytest.mark.parametrize(
    ("role", "status", "found"),
    [
        pytest.param(_role(["sts.amazonaws.com"]), "ok", str(_PROVIDER), id="there"),
        pytest.param(None, "unknown", f"{_NOT_SEEN}: is there {_PROVIDER}?", id="nobody asked"),
        pytest.param(_role(problem="aws: AccessDenied"), "unknown", "aws: AccessDenied", id="no right in AWS"),
        pytest.param(_role(), "failed", "account 111122223333 has no provider oidc.example.com", id="none at all"),
        pytest.param(
            _role(None, "oidc.example.com/"),
            "failed",
            "there is oidc.example.com/, which differs in the slash at the end: not oidc.example.com",
            id="a slash",
        ),
        pytest.param(
            _role(None, "other.example.com"),
            "failed",
            "account 111122223333 has no provider oidc.example.com; it has other.example.com",
            id="another one",
        ),
    ],
)
def test_the_provider(role: Role | None, status: str, found: str) -> None:
    step = provider_step(role, _PROVIDER)

    assert (step.status, step.found) == (status, found)


@pytest.mark.parametrize(
    ("role", "audience", "status", "found"),
    [
        pytest.param(_role(["sts.amazonaws.com"]), "sts.amazonaws.com", "ok", "sts.amazonaws.com", id="it has it"),
        pytest.param(
            _role(["other"]),
            "sts.amazonaws.com",
            "failed",
            "the token is for sts.amazonaws.com; the provider has other",
            id="it lacks it",
        ),
        pytest.param(_role(), "sts.amazonaws.com", "skipped", "there is no provider", id="no provider"),
        pytest.param(
            None, "sts.amazonaws.com", "unknown", f"sts.amazonaws.com, the usual one; {_NOT_SEEN}", id="usual"
        ),
        pytest.param(
            None,
            "other",
            "unknown",
            f"the annotation or --token-audience asks for 'other': the provider must have it; {_NOT_SEEN}",
            id="unusual",
        ),
        pytest.param(None, "", "skipped", "it is not known what audience the pods' tokens have", id="unknown"),
    ],
)
def test_the_audience(role: Role | None, audience: str, status: str, found: str) -> None:
    step = audience_step(role, Published(issuer=ISSUER, audience=audience), _PROVIDER)

    assert (step.status, step.found) == (status, found)


def test_an_audience_that_the_provider_lacks_may_be_that_of_a_flag() -> None:
    step = audience_step(_role(["sts.amazonaws.com"]), Published(issuer=ISSUER, audience="other"), _PROVIDER)

    assert step.next.startswith("correct the annotation audience or --token-audience, or: aws iam ")


_RENDER = (
    "pod-identity-webhook trust-policy render --issuer https://oidc.example.com --account 111122223333 "
    "--service-account shop/reports prints one that allows it"
)


@pytest.mark.parametrize(
    ("policy", "status", "found", "then"),
    [
        pytest.param(Read(trust_policy(_PROVIDER, _SUBJECT)), "ok", f"{_SUBJECT} (role.json)", "", id="allowed"),
        pytest.param(
            Read(trust_policy(_PROVIDER, "system:serviceaccount:shop:other")),
            "failed",
            "role.json: no Allow applies; StringEquals oidc.example.com:sub: the policy has "
            f"system:serviceaccount:shop:other, the token {_SUBJECT}",
            _RENDER,
            id="another ServiceAccount",
        ),
        pytest.param(
            Read(trust_policy(_PROVIDER, "system:serviceaccount:shop:*")),
            "failed",
            "role.json: no Allow applies; StringEquals oidc.example.com:sub: the policy has "
            f"system:serviceaccount:shop:*, the token {_SUBJECT}",
            f"use StringLike, or name each subject; {_RENDER}",
            id="a wildcard under StringEquals",
        ),
        pytest.param(
            Read(),
            "failed",
            f"role.json: there is no role {ROLE}",
            "correct the annotation role-arn, or create the role",
            id="no role",
        ),
        pytest.param(Read(None, "aws: no credentials"), "unknown", "aws: no credentials", "", id="unread"),
    ],
)
def test_the_trust_policy(policy: Read[str], status: str, found: str, then: str) -> None:
    step = trust_step(Role(source="role.json", policy=policy), ROLE, None, _PUBLISHED, _SUBJECT, _NOW)

    assert (step.status, step.found, step.next) == (status, found, then)


@pytest.mark.parametrize(
    ("answer", "status", "found", "anchor"),
    [
        pytest.param(Assumption(endpoint="sts", arn="arn:…:role/a"), "ok", "arn:…:role/a", "", id="given"),
        pytest.param(Assumption(endpoint="sts", problem="no answer"), "unknown", "sts: no answer", "", id="no answer"),
        pytest.param(
            Assumption(endpoint="sts", code="AccessDenied", message="Not authorized", seconds=60.0),
            "failed", "AccessDenied: Not authorized (for 60 s)", "accessdenied", id="denied",
        ),
        pytest.param(
            Assumption(endpoint="sts", code="InvalidIdentityToken", message="Incorrect token audience"),
            "failed", "InvalidIdentityToken: Incorrect token audience", "incorrect-token-audience", id="audience",
        ),
        pytest.param(
            Assumption(endpoint="sts", code="InvalidIdentityToken", message="No OpenIDConnect provider found in"),
            "failed", "InvalidIdentityToken: No OpenIDConnect provider found in", "no-openidconnect-provider-found",
            id="no provider",
        ),
        pytest.param(None, "skipped", "only with --assume-role", "", id="nobody asked"),
    ],
)  # fmt: skip
def test_the_answer_of_sts(answer: Assumption | None, status: str, found: str, anchor: str) -> None:
    step = assume_step(answer)

    assert (step.status, step.found, step.anchor) == (status, found, anchor)


@pytest.mark.parametrize(
    ("step", "denied"),
    [
        (TRUST.failed("no", ""), True),
        (PROVIDER.failed("no", ""), True),
        (AUDIENCE.failed("no", ""), True),
        (TRUST.unknown("who knows"), False),
        (KEYS.failed("no", ""), False),
        (ASSUME.ok("yes"), False),
    ],
)
def test_what_iam_is_known_to_refuse(step: Step, denied: bool) -> None:
    assert is_denied({step.name: step}) is denied


def test_commands_to_paste_quote_what_comes_from_annotations() -> None:
    audience, arn = "x; rm -rf ~", "arn:aws:iam::$(id):role/x"
    provider = provider_of(arn, ISSUER)
    assert provider is not None
    role = Role(source="file", policy=Read(trust_policy(_PROVIDER, "other")), client_ids=Read([]))
    facts = Published(issuer=ISSUER, audience=audience)

    of_audience = audience_step(role, facts, provider).next
    of_policy = trust_step(role, arn, None, facts, "system:serviceaccount:shop:reports", _NOW).next

    assert "--client-id 'x; rm -rf ~'" in of_audience
    assert "--open-id-connect-provider-arn 'arn:aws:iam::$(id):oidc-provider/oidc.example.com'" in of_audience
    assert "--account '$(id)'" in of_policy
