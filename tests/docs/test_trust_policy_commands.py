"""The commands and the table of docs/trust-policies.md."""

import json
import shlex
import time
from pathlib import Path

import pytest

from tests.commands.outcome import run
from tests.docs.pages import ROOT, commands, quoted, table
from tests.issuer.keys import signed
from tests.issuer.trust_policy.lint_cases import MISTAKES

COMMANDS = commands(ROOT / "docs/trust-policies.md")


def test_the_documented_commands_work_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    claims = {
        "iss": "https://oidc.example.com/c1",
        "sub": "system:serviceaccount:shop:reports",
        "aud": ["sts.amazonaws.com"],
        "exp": int(time.time()) + 3600,
    }
    Path("token").write_text(signed(claims))
    printed = []
    for command in COMMANDS:
        words, _, file = command.partition(" > ")
        outcome = run(*shlex.split(words)[1:])
        assert (outcome.code, outcome.err) == (0, ""), command
        if file:
            Path(file).write_text(outcome.out)
        else:
            printed.append(outcome.out)

    assert json.loads(Path("trust.json").read_text())["Version"] == "2012-10-17"
    terraform, lint, account, token = printed
    assert terraform.startswith('data "aws_iam_policy_document" "trust" {\n')
    assert lint == ""
    assert account == token
    assert account.startswith("allowed: an Allow applies: $.Statement[0]\n")


def test_the_documented_rules_are_those_of_the_lint() -> None:
    documented = [quoted(row[0])[0] for row in table("trust-policies.md", "Check policies")]

    assert sorted(documented) == sorted({rule for mistake in MISTAKES.values() for rule, _, _ in mistake.found})


def test_the_documented_patterns_are_warned_of_or_refused() -> None:
    for row in table("trust-policies.md", "Write a policy"):
        outcome = run(
            *("trust-policy", "render", "--issuer", "https://oidc.example.com/c1", "--account", "111122223333"),
            *("--service-account", quoted(row[0])[0]),
        )
        expected = {"": (0, 0), "warning": (0, 1), "refused": (2, 2)}[row[2]]
        assert (outcome.code, outcome.err.count("\n")) == expected, row
