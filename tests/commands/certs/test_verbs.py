import pytest

from tests.commands.outcome import assert_golden, run
from webhook.commands.certs.flags import ISSUE_FLAGS, ROTATE_FLAGS, SHOW_FLAGS
from webhook.commands.flags.flag import Flag


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["help"]], ids=" ".join)
def test_help_names_the_sub_commands(argv: list[str]) -> None:
    outcome = run("certs", *argv)

    assert (outcome.code, outcome.err) == (0, "")
    assert_golden("help-certs.txt", outcome.out)


@pytest.mark.parametrize(("name", "flags"), [("show", SHOW_FLAGS), ("rotate", ROTATE_FLAGS), ("issue", ISSUE_FLAGS)])
def test_the_help_of_a_sub_command_has_every_flag_of_it(name: str, flags: tuple[Flag, ...]) -> None:
    outcome = run("certs", name, "--help", "--bogus")

    assert (outcome.code, outcome.err) == (0, "")
    assert all(f"--{flag.name}" in outcome.out.split() for flag in flags)
    assert max(map(len, outcome.out.splitlines())) <= 100
    assert_golden(f"help-certs-{name}.txt", outcome.out)


@pytest.mark.parametrize(("argv", "problem"), [([], "a sub-command is missing"), (["x"], "'x' is not a sub-command")])
def test_a_missing_or_unknown_sub_command_is_a_usage_error(argv: list[str], problem: str) -> None:
    outcome = run("certs", *argv)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"pod-identity-webhook certs: {problem}: show, rotate, issue\nSee 'pod-identity-webhook certs --help'.\n"
    )
