"""What `trust-policy explain` prints, and how it exits."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.commands.outcome import Outcome, assert_golden, run, run_process
from tests.commands.trust_policy.policy_files import ARN, AUD, EXACT, ISSUER, REPORTS, SUB, policy, written
from tests.issuer.keys import signed

START = "pod-identity-webhook trust-policy explain: "
WITH_ADDRESS = EXACT | {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
IN_AN_HOUR, EXPIRED = int(time.time()) + 3600, 1_700_000_000


def explain(folder: Path, content: Any, *argv: str, account: str = "shop/reports") -> Outcome:
    """Explains a policy for a ServiceAccount."""
    name = written(folder, content)
    return run("trust-policy", "explain", name, "--service-account", account, "--issuer", ISSUER, *argv)


def token(folder: Path, **claims: Any) -> str:
    """Writes a token; returns the file's name."""
    whole = {"iss": ISSUER, "sub": REPORTS, "aud": ["sts.amazonaws.com"], "exp": IN_AN_HOUR} | claims
    return written(folder, signed(whole).encode(), "token")


EXPLAINED = {
    "allowed": (policy(), 0),
    "denied": (policy({"StringEquals": {SUB: ["x", "y"], AUD: "sts.amazonaws.com"}}), 1),
    "undetermined": (policy(WITH_ADDRESS | {"StringIs": {AUD: "x"}}, Sid="Office"), 3),
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_the_explanation_for_people(name: str, tmp_path: Path) -> None:
    content, code = EXPLAINED[name]
    outcome = explain(tmp_path, content)

    assert (outcome.code, outcome.err) == (code, "")
    assert_golden(f"trust-policy-explain-{name}.txt", outcome.out)


def test_the_explanation_for_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, policy(WITH_ADDRESS), "role.json")

    outcome = run(
        *("trust-policy", "explain", "role.json", "-o", "json"),
        *("--service-account", "shop/reports", "--issuer", ISSUER),
    )

    assert (outcome.code, outcome.err) == (3, "")
    assert_golden("trust-policy-explain.json", outcome.out)


def test_a_false_condition_decides_beside_an_unknown_one(tmp_path: Path) -> None:
    assert explain(tmp_path, policy(WITH_ADDRESS), account="shop/web").code == 1


def test_the_token_says_who_it_is(tmp_path: Path) -> None:
    name, held = written(tmp_path, policy()), token(tmp_path)

    outcome = run("trust-policy", "explain", name, "--token", held)

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == explain(tmp_path, policy()).out


TOKENS = {
    "another ServiceAccount": ({"sub": "system:serviceaccount:shop:web"}, 1),
    "another audience": ({"aud": "vault"}, 1),
    "two audiences, one of which matches": ({"aud": ["sts.amazonaws.com", "vault"]}, 3),
    "another issuer": ({"iss": "https://oidc.example.com/c2"}, 1),
    "an issuer with a slash at its end": ({"iss": f"{ISSUER}/"}, 1),
    "no subject": ({"sub": ""}, 1),
}


@pytest.mark.parametrize(("claims", "code"), TOKENS.values(), ids=TOKENS)
def test_the_claims_of_the_token_decide(claims: dict[str, Any], code: int, tmp_path: Path) -> None:
    outcome = run("trust-policy", "explain", written(tmp_path, policy()), "--token", token(tmp_path, **claims))

    assert (outcome.code, outcome.err) == (code, "")


def test_an_expired_token_is_called_so_and_the_policy_is_still_explained(tmp_path: Path) -> None:
    name, held = written(tmp_path, policy()), token(tmp_path, exp=EXPIRED)

    text, scripts = (run("trust-policy", "explain", name, "--token", held, "-o", output) for output in ("text", "json"))

    since = "  the token is expired since 2023-11-14T22:13:20Z: "
    said = f"{since}after five minutes of grace, STS refuses it before it asks IAM"
    assert (text.code, scripts.code) == (0, 0)
    assert said in text.out.splitlines()
    document = json.loads(scripts.out)
    assert (document["tokenExpired"], document["tokenExpires"]) == (True, "2023-11-14T22:13:20Z")


def test_where_marks_cannot_be_shown_there_are_words(tmp_path: Path) -> None:
    name, held = written(tmp_path, policy()), token(tmp_path, sub="x")

    outcome = run_process("trust-policy", "explain", name, "--token", held, environ={"PYTHONIOENCODING": "ascii"})

    assert (outcome.code, outcome.err) == (1, "")
    assert "  ok Action: Action names the request's action" in outcome.out.splitlines()
    assert f"  NO StringEquals {SUB}: no value of the policy matches" in outcome.out.splitlines()


NAMES = {"fits": ("ci-7", 0), "does not fit": ("me", 1), "is not known": (None, 3)}


@pytest.mark.parametrize(("name", "code"), NAMES.values(), ids=NAMES)
def test_the_session_name_is_compared_if_it_is_given(name: str | None, code: int, tmp_path: Path) -> None:
    content = policy(EXACT | {"StringLike": {"sts:RoleSessionName": "ci-*"}})

    outcome = explain(tmp_path, content, *(("--role-session-name", name) if name else ()))

    assert outcome.code == code


@pytest.mark.parametrize("name", ["az", "AZ", "09", "_+=,.@-", 64 * "x"])
def test_each_session_name_that_sts_accepts_is_compared(name: str, tmp_path: Path) -> None:
    content = policy(EXACT | {"StringEquals": EXACT["StringEquals"] | {"sts:RoleSessionName": name}})

    outcome = explain(tmp_path, content, "--role-session-name", name)

    assert (outcome.code, outcome.err) == (0, "")


TIMES = {"is over": ("2020-01-01T00:00:00Z", 1), "is not over": ("2199-01-01T00:00:00Z", 0)}


@pytest.mark.parametrize(("until", "code"), TIMES.values(), ids=TIMES)
def test_the_current_time_is_known(until: str, code: int, tmp_path: Path) -> None:
    assert explain(tmp_path, policy(EXACT | {"DateLessThan": {"aws:CurrentTime": until}})).code == code


OTHER = "arn:aws-cn:iam::444455556666:oidc-provider/oidc.example.com/c1"


def test_a_role_of_the_aws_cli_names_the_account(tmp_path: Path) -> None:
    role = {"Role": {"Arn": "arn:aws:iam::444455556666:role/x", "AssumeRolePolicyDocument": policy()}}

    outcome = explain(tmp_path, role)

    assert outcome.code == 1
    assert f"provider: {ARN.replace('111122223333', '444455556666')}\n" in outcome.out


def test_the_account_of_the_flag_goes_before_the_policy_s(tmp_path: Path) -> None:
    assert explain(tmp_path, policy(), "--account", "444455556666").code == 1
    assert explain(tmp_path, policy(Principal={"Federated": OTHER}), "--account", "444455556666").code == 0


ACCOUNTS = {
    "two": ({"Federated": [ARN, OTHER]}, "the policy names providers in several accounts; set the role's account"),
    "none": ({"AWS": "*"}, "the policy names no provider; set the role's account"),
}


@pytest.mark.parametrize(("principal", "problem"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_an_account_that_is_not_clear_is_asked_for(principal: Any, problem: str, tmp_path: Path) -> None:
    outcome = explain(tmp_path, policy(Principal=principal))

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[0] == f"{START}--account: {problem}"
    assert explain(tmp_path, policy(Principal=principal), "--account", "111122223333").code == 0


BAD_TOKENS = {
    "0 bytes": (b"", "the token is empty"),
    "HTML": (b"<html>", "this is no token: it has characters other than letters, digits, '-', '_' and '.'"),
    "other bytes": (b"\xff\xfe", "is not UTF-8, so it is no token"),
    "half of a token": (
        signed().rpartition(".")[0].encode(),
        "the token has 2 of its 3 parts (header.claims.signature): it is truncated, or no token",
    ),
    "no issuer": (signed({"sub": "x"}).encode(), "the token has no iss, so it has no issuer"),
}


@pytest.mark.parametrize(("content", "problem"), BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_a_file_that_is_no_token_is_one_line(content: bytes, problem: str, tmp_path: Path) -> None:
    held = written(tmp_path, content, "token")

    outcome = run("trust-policy", "explain", written(tmp_path, policy()), "--token", held)

    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"{START}{held}: {problem}\n")


def test_what_iam_refuses_is_undetermined(tmp_path: Path) -> None:
    outcome = explain(tmp_path, policy(Resource="*"))

    first = "undetermined: IAM refuses this policy, or may read it otherwise: $.Statement[0].Resource: "
    assert (outcome.code, outcome.out.splitlines()[0]) == (3, f"{first}is not allowed in a trust policy")


def test_off_a_terminal_nothing_is_wrapped_or_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    value = "a b " * 30_000

    outcome = explain(tmp_path, policy({"StringEquals": {SUB: value}}))

    assert f"      policy   {value}" in outcome.out.split("\n")


def test_colours_are_on_a_terminal_only(tmp_path: Path) -> None:
    assert "\x1b" not in explain(tmp_path, policy()).out
    coloured = explain(tmp_path, policy(Sid="A"), "--color", "always").out
    assert coloured.startswith("\x1b[1;32mallowed\x1b[0m: ")
