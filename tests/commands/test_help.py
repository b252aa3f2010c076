import pytest

from tests.commands.outcome import run
from webhook.commands.flags.flag import Flag
from webhook.commands.flags.help import help_text
from webhook.commands.table import COMMANDS

GROUPS = [[group.name] for group in COMMANDS.commands if group.commands]
VERBS = (
    *([command.name] for command in COMMANDS.commands),
    *([group.name, command.name] for group in COMMANDS.commands for command in group.commands),
)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_of_a_command_is_that_commands_help(verb: list[str]) -> None:
    asked = run("help", *verb)

    assert (asked.code, asked.err) == (0, "")
    assert asked == run(*verb, "--help")
    assert asked.out.startswith(f"Usage: pod-identity-webhook {' '.join(verb)} ")


@pytest.mark.parametrize("argv", [["help", "--help"], ["help", "-n"], ["help", "help"]], ids=" ".join)
def test_help_of_nothing_names_the_commands(argv: list[str]) -> None:
    assert run(*argv) == run("--help")


def test_help_of_a_command_that_is_none_is_a_usage_error() -> None:
    outcome = run("help", "sevre")

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("pod-identity-webhook: 'sevre' is not a command\n")


def test_a_flag_beside_help_neither_swallows_it_nor_starts_the_webhook() -> None:
    assert run("help", "serve", "-n") == run("serve", "--help")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in [*GROUPS, ["completion"]]], ids=" ".join)
def test_the_last_lines_of_help_name_variables_of_that_command(verb: list[str]) -> None:
    text = run(*verb, "--help").out
    flags, _, last = text.rpartition("\n\nEach flag")
    sentence, _, examples = last.partition("for example:\n")

    command = COMMANDS
    for word in verb:
        command = command.named(word) or command
    unset = [f"--{flag.name}" for flag in command.load_flags() if not flag.variable]
    assert sentence.replace(",", "").split() == [
        *(["except", *unset] if unset else []),
        *["is", "also", "an", "environment", "variable"],
    ]
    for example in examples.splitlines():
        flag, _, variable = example.strip().partition(" is ")
        assert f"\n  {flag}" in flags
        assert variable in {
            f"PIW_{flag[2:]}".upper().replace("-", "_"),
            f"PIW_{verb[0]}_{flag[2:]}".upper().replace("-", "_"),
        }
    assert examples


def test_no_word_and_no_default_is_broken_in_help() -> None:
    value = "a-value/with-many.hyphens-that-does-not-fit-into-the-rest-of-a-line"
    flag = Flag("name", "string", value, f"{'some words ' * 5}{value} {'x' * 120}", "Group")

    words = help_text("verb", f"{'some words ' * 5}--a-flag={value}", [flag]).split()

    assert {value, f"'{value}')", f"--a-flag={value}", "x" * 120} <= set(words)
