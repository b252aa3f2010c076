"""What `trust-policy lint` prints, and how it exits."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.commands.outcome import assert_golden, run
from tests.commands.trust_policy.policy_files import ARN, AUD, SUB, policy, written

WRONG = policy(
    {"StringEquals": {SUB: "system:serviceaccount:shop:*"}},
    Principal={"Federated": ARN.replace("111122223333", "1111")},
)


def lint(*argv: str, stdin: str = "") -> tuple[int, str, str]:
    outcome = run("trust-policy", "lint", *argv, stdin=stdin)
    return outcome.code, outcome.out, outcome.err


@pytest.mark.parametrize(("output", "silence"), [("text", ""), ("json", "[]\n")])
def test_good_policies_give_no_output(output: str, silence: str, tmp_path: Path) -> None:
    first, second = written(tmp_path, policy()), written(tmp_path, policy(Sid="A"), "other.json")

    assert lint(first, second, "--output", output) == (0, silence, "")


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_finding_has_its_file_line_path_and_fix(output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, policy(), "good.json")
    written(tmp_path, WRONG, "wrong.json")

    code, out, err = lint("good.json", "wrong.json", "-o", output)

    assert (code, err) == (1, "")
    assert_golden(f"trust-policy-lint.{'txt' if output == 'text' else output}", out)


def test_standard_input_may_be_a_role_of_the_aws_cli() -> None:
    role = {"Role": {"Arn": "arn:aws:iam::999999999999:role/x", "AssumeRolePolicyDocument": policy()}}

    code, out, _ = lint("-", stdin=json.dumps(role))

    where = "standard input:1: $.Role.AssumeRolePolicyDocument.Statement[0].Principal.Federated: "
    assert (code, out.splitlines()[0]) == (
        1,
        f"{where}is a provider in account 111122223333, but the role is in 999999999999 [provider-account]",
    )


def test_standard_input_may_be_url_encoded() -> None:
    assert lint("-", stdin=quote(json.dumps(policy()))) == (0, "", "")
    assert lint("-", stdin=quote(json.dumps(policy({}))))[0] == 1


def test_off_a_terminal_nothing_is_wrapped_or_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    sub = "x" * 150_000

    code, out, _ = lint("-", stdin=json.dumps(policy({"StringEquals": {SUB: sub, AUD: "sts.amazonaws.com"}})))

    assert code == 1
    assert out.splitlines()[0].count("x") >= 150_000
    assert out.count("\n") == 4


def test_foreign_text_cannot_forge_a_line_or_control_the_terminal() -> None:
    key = "oidc.example.com/c1:\x1b[31m\nsub"

    _, out, _ = lint("-", "--color", "always", stdin=json.dumps(policy({"Made\nUp": {key: "x"}})))

    assert "\x1b[31m\n" not in out
    assert "Made\\nUp" in out
    assert all(line.startswith(("\x1b[1mstandard input:", "  fix: ")) for line in out.splitlines())


UNUSABLE = {
    "no such file": (None, "No such file or directory"),
    "0 bytes": (b"", "it is empty (0 bytes)"),
    "HTML": (b"<html>", "it is an HTML page, not JSON"),
    "other bytes": (b"{\xff}", "it is not text in UTF-8"),
    "a policy in YAML": (b"Version: 1", "it is not JSON: Expecting value (line 1, column 1)"),
    "deep nesting": (b"[" * 100_000, "it is nested too deeply: more than 20 levels"),
    "50 MB": (b" " * 50_000_000, "it has more than 262144 characters, too many for a trust policy"),
}


@pytest.mark.parametrize(("content", "problem"), UNUSABLE.values(), ids=UNUSABLE)
@pytest.mark.parametrize("verb", ["lint", "explain"])
def test_a_file_that_is_no_policy_is_one_line(verb: str, content: bytes | None, problem: str, tmp_path: Path) -> None:
    name = written(tmp_path, content) if content is not None else str(tmp_path / "policy.json")
    asked = ("--service-account", "a/b", "--issuer", "https://x.example.com") if verb == "explain" else ()

    outcome = run("trust-policy", verb, name, *asked)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"pod-identity-webhook trust-policy {verb}: {name}: {problem}\n"
