from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.issuer.keys import rsa_key, unsigned
from tests.sts.accounts import Account, Role
from tests.sts.policies import trust_policy
from tests.sts.requests import ISSUER, NO_KEY, ROLE, SUBJECT, ask, assume, token
from tests.sts.server import Sts
from webhook.issuer.trust_policy.provider import ProviderArn

PROVIDER = ProviderArn("aws", "111122223333", "oidc.example.test")
DENIED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"


def other_key() -> Any:
    return rsa_key("other")


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_token_that_the_role_trusts_gets_a_session(sts: Sts, method: str) -> None:
    before = datetime.now(UTC)

    answer = assume(sts, method)

    assert answer.status == 200
    texts = dict(answer.texts)
    credentials = [texts.pop(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    assert all(credentials)
    expires = datetime.strptime(texts.pop("Expiration"), "%Y-%m-%dT%H:%M:%S%z")
    assert timedelta(minutes=59) < expires - before < timedelta(minutes=61)
    assert texts.pop("RequestId")
    assert texts.pop("AssumedRoleId").endswith(":web-1")
    assert texts == {
        "Arn": "arn:aws:sts::111122223333:assumed-role/s3-reader/web-1",
        "Audience": "sts.amazonaws.com",
        "Provider": "arn:aws:iam::111122223333:oidc-provider/oidc.example.test",
        "SubjectFromWebIdentityToken": SUBJECT,
    }
    (call,) = sts.calls
    assert (call.action, call.code, call.signed_by, call.given) == (
        "AssumeRoleWithWebIdentity",
        "",
        "",
        credentials[0],
    )
    assert call.parameters["RoleArn"] == ROLE


def test_the_path_of_a_role_is_not_in_the_sessions_arn(sts: Sts) -> None:
    answer = assume(sts, RoleArn="arn:aws:iam::111122223333:role/teams/shop/s3-writer")

    assert answer.texts["Arn"] == "arn:aws:sts::111122223333:assumed-role/s3-writer/web-1"


TOKENS: dict[str, tuple[Callable[[], str], str, str]] = {
    "no token at all": (lambda: "abcd", "InvalidIdentityToken", "The ID Token provided is not a valid JWT"),
    "not signed": (
        lambda: unsigned({"alg": "none"}),
        "InvalidIdentityToken",
        "The ID Token provided is not a valid JWT",
    ),
    "signed by another key under our kid": (
        lambda: token(key=other_key()),
        "InvalidIdentityToken",
        "The signature of the token is not valid",
    ),
    "a kid that is not published": (lambda: token(kid="other"), "InvalidIdentityToken", NO_KEY),
    "without aud": (lambda: token(aud=None), "InvalidIdentityToken", "Missing a required claim: aud"),
    "with an empty aud": (lambda: token(aud=[]), "InvalidIdentityToken", "Missing a required claim: aud"),
    "without sub": (lambda: token(sub=None), "InvalidIdentityToken", "Missing a required claim: sub"),
    "without exp": (lambda: token(exp=None), "InvalidIdentityToken", "Missing a required claim: exp"),
    "another audience": (lambda: token(aud=["other"]), "InvalidIdentityToken", "Incorrect token audience"),
    "another issuer": (
        lambda: token(iss="https://other.example.test"),
        "InvalidIdentityToken",
        "No OpenIDConnect provider found in your account for https://other.example.test",
    ),
    "an issuer with a trailing slash": (
        lambda: token(iss=f"{ISSUER}/"),
        "InvalidIdentityToken",
        "No OpenIDConnect provider found in your account for https://oidc.example.test/",
    ),
    "an issuer without https": (
        lambda: token(iss="oidc.example.test"),
        "InvalidIdentityToken",
        "No OpenIDConnect provider found in your account for oidc.example.test",
    ),
}


@pytest.mark.parametrize(("made", "code", "message"), TOKENS.values(), ids=TOKENS)
def test_a_token_is_refused(sts: Sts, made: Callable[[], str], code: str, message: str) -> None:
    assert assume(sts, WebIdentityToken=made()).refusal == (400, code, message)
    assert [call.code for call in sts.calls] == [code]


def test_one_of_several_audiences_is_enough(sts: Sts, account: Account) -> None:
    account.roles["s3-reader"] = Role(trust_policy(PROVIDER, SUBJECT, operator="ForAnyValue:StringEquals"))

    assert assume(sts, WebIdentityToken=token(aud=["other", "sts.amazonaws.com"])).status == 200


REFUSED_BY_IAM: dict[str, Callable[[Account], Any]] = {
    "there is no such role": lambda account: account.roles.clear(),
    "the policy is for another subject": lambda account: account.roles.update(
        {"s3-reader": Role(trust_policy(PROVIDER, "system:serviceaccount:shop:other"))}
    ),
    "the policy wants another audience": lambda account: account.roles.update(
        {"s3-reader": Role(trust_policy(PROVIDER, SUBJECT, audience="other"))}
    ),
    "the policy allows another action": lambda account: account.roles.update(
        {"s3-reader": Role(trust_policy(PROVIDER, SUBJECT, action="sts:AssumeRole"))}
    ),
}


@pytest.mark.parametrize("change", REFUSED_BY_IAM.values(), ids=REFUSED_BY_IAM)
def test_a_request_is_denied_without_saying_why(sts: Sts, account: Account, change: Callable[[Account], Any]) -> None:
    change(account)

    assert assume(sts).refusal == (403, "AccessDenied", DENIED)


@pytest.mark.parametrize(
    ("after", "is_expired"),
    [(timedelta(), False), (timedelta(minutes=4, seconds=59), False), (timedelta(minutes=5), True)],
    ids=["at its end", "within five minutes", "after five minutes"],
)
def test_an_expired_token_has_five_minutes_grace(sts: Sts, after: timedelta, is_expired: bool) -> None:
    end = datetime(2030, 1, 1, tzinfo=UTC)
    sts.clock.stop_at(end + after)

    answer = assume(sts, WebIdentityToken=token(exp=int(end.timestamp())))

    expired = (
        400,
        "ExpiredTokenException",
        "Token expired: current date/time 1893456300 must be before the expiration date/time 1893456000",
    )
    assert (answer.refusal if is_expired else answer.status) == (expired if is_expired else 200)


def _unsatisfied(value: str, member: str, must: str) -> str:
    constraint = f"failed to satisfy constraint: Member must {must}"
    return f"1 validation error detected: Value '{value}' at '{member}' {constraint}"


PARAMETERS: dict[str, tuple[dict[str, str | None], str]] = {
    "no role": (
        {"RoleArn": None},
        _unsatisfied("null", "roleArn", "not be null"),
    ),
    "a role that is no ARN": (
        {"RoleArn": "arn:aws:iam::1:role/s3-reader"},
        "1 validation error detected: arn:aws:iam::1:role/s3-reader is invalid",
    ),
    "a session name of one character": (
        {"RoleSessionName": "a"},
        _unsatisfied("a", "roleSessionName", "have length greater than or equal to 2"),
    ),
    "a session name of 65 characters": (
        {"RoleSessionName": "a" * 65},
        _unsatisfied(f"{'a' * 65}", "roleSessionName", "have length less than or equal to 64"),
    ),
    "a session name with a slash": (
        {"RoleSessionName": "a/b"},
        _unsatisfied("a/b", "roleSessionName", r"satisfy regular expression pattern: [\w+=,.@-]*"),
    ),
    "a session of 899 seconds": (
        {"DurationSeconds": "899"},
        _unsatisfied("899", "durationSeconds", "have value greater than or equal to 900"),
    ),
    "a session of more than 12 hours": (
        {"DurationSeconds": "43201"},
        _unsatisfied("43201", "durationSeconds", "have value less than or equal to 43200"),
    ),
    "a session longer than the role's longest": (
        {"DurationSeconds": "3601"},
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    ),
    "a token of three characters": (
        {"WebIdentityToken": "a.b"},
        _unsatisfied("***", "webIdentityToken", "have length greater than or equal to 4"),
    ),
    "a token of 20,001 characters": (
        {"WebIdentityToken": "a" * 20_001},
        _unsatisfied("***", "webIdentityToken", "have length less than or equal to 20000"),
    ),
}


@pytest.mark.parametrize(("changes", "message"), PARAMETERS.values(), ids=PARAMETERS)
def test_a_parameter_is_refused(sts: Sts, changes: dict[str, str | None], message: str) -> None:
    assert assume(sts, **changes).refusal == (400, "ValidationError", message)


@pytest.mark.parametrize("seconds", ["900", "3600"])
def test_a_session_lasts_as_long_as_asked(sts: Sts, seconds: str) -> None:
    sts.clock.stop_at(datetime(2026, 1, 1, tzinfo=UTC))

    expires = assume(sts, DurationSeconds=seconds).texts["Expiration"]

    assert expires == {"900": "2026-01-01T00:15:00Z", "3600": "2026-01-01T01:00:00Z"}[seconds]


@pytest.mark.parametrize(
    "parameters",
    [{}, {"Action": "AssumeRole", "Version": "2011-06-15"}, {"Action": "GetCallerIdentity", "Version": "2010-01-01"}],
    ids=["nothing", "another action", "another version"],
)
def test_another_action_is_refused(sts: Sts, parameters: dict[str, str]) -> None:
    status, code, _ = ask(sts, parameters).refusal

    assert (status, code) == (400, "InvalidAction")
