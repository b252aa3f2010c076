"""The help of `issuer` and its sub-commands."""

import pytest

from tests.commands.outcome import assert_golden, run


def test_the_group_lists_its_sub_commands() -> None:
    done = run("issuer", "--help")

    assert (done.code, done.err) == (0, "")
    assert_golden("help-issuer.txt", done.out)


@pytest.mark.parametrize("name", ["render", "merge", "publish", "thumbprint", "verify"])
def test_help_lists_the_flags(name: str) -> None:
    done = run("issuer", name, "--help")

    assert (done.code, done.err) == (0, "")
    assert_golden(f"help-issuer-{name}.txt", done.out)


def test_a_missing_sub_command_is_usage() -> None:
    done = run("issuer")

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("pod-identity-webhook issuer: a sub-command is missing: render, merge, ")
