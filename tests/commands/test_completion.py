"""What the shells offer: commands, flags and values from the same tables as the help."""

import pytest

from tests.commands.outcome import Outcome, run
from tests.shells import typed_in_bash
from webhook.commands.completion.candidates import Candidates, candidates
from webhook.commands.completion.scripts import SCRIPTS
from webhook.commands.table import COMMANDS

ONLY_FILES = Candidates(files=True)


def words(*line: str) -> list[str]:
    return [word for word, _ in candidates(line).words]


def test_the_first_word_is_a_command() -> None:
    assert words("") == [*(command.name for command in COMMANDS.commands), "help", "version"]


@pytest.mark.parametrize(
    ("line", "expected"),
    {
        "the start of a command": (["re"], ["replay"]),
        "a command in a group": (["certs", ""], ["show", "rotate", "issue"]),
        "the start of a command in a group": (["certs", "s"], ["show"]),
        "the command that help is about": (["help", "certs", "r"], ["rotate"]),
        "a shell": (["completion", ""], ["bash", "zsh", "fish"]),
        "what doctor is asked about": (["doctor", "-n", "shop", "--assume-role", "po"], ["pod"]),
        "nothing after what doctor is asked about": (["doctor", "pod", ""], []),
        "a flag after what doctor is asked about": (["doctor", "pod", "shop/a", "--sym"], ["--symptom"]),
        "a flag": (["replay", "--fail"], ["--fail-on"]),
        "a flag of a command in a group": (["certs", "rotate", "--ca"], ["--ca"]),
        "a value after a blank": (["replay", "--output", "p"], ["patch", "pod"]),
        "a value after a short flag": (["replay", "-o", "j"], ["json"]),
        "a value after an equals sign": (["replay", "--output=p"], ["--output=patch", "--output=pod"]),
        "a value of a flag with an underscore": (["serve", "--log_format=j"], ["--log_format=json"]),
        "a bool": (["serve", "--in-cluster=f"], ["--in-cluster=false"]),
        "a flag after a bool": (["replay", "--live", "--fail"], ["--fail-on"]),
        "a member of a list": (["replay", "--fail-on", "warning,not-"], ["warning,not-found", "warning,not-called"]),
        "no member twice": (["replay", "--fail-on", "skipped,s"], []),
        "nothing after an unknown command": (["sevre", ""], []),
        "nothing after an unknown command of a group": (["certs", "shwo", ""], []),
        "nothing after a shell": (["completion", "bash", ""], []),
    }.values(),
)
def test_the_words_that_fit(line: list[str], expected: list[str]) -> None:
    assert words(*line) == expected
    assert not candidates(line).files


@pytest.mark.parametrize(
    "line",
    [
        ["replay", ""],
        ["replay", "examples/"],
        ["replay", "--", "--output"],
        ["replay", "--expect", ""],
        ["replay", "--service-accounts=ex"],
        ["serve", "--tls-cert", ""],
    ],
    ids=" ".join,
)
def test_files_fit_where_a_command_takes_them(line: list[str]) -> None:
    assert candidates(line) == ONLY_FILES


def test_every_flag_of_every_command_is_offered() -> None:
    for group in COMMANDS.commands:
        for command in group.commands or (group,):
            line = [group.name] if command is group else [group.name, command.name]
            assert set(words(*line, "--")) >= {f"--{flag.name}" for flag in command.load_flags()}, line


def test_the_answer_is_that_of_a_kubectl_plugin() -> None:
    assert run("__complete", "certs", "sh").out == (
        "show\tshows the served certificate, the Secret and the caBundle, and whether they match\n:4\n"
    )
    assert run("__complete", "replay", "").out == ":0\n"
    assert run("__complete", "replay", "--fail-on=\x1b,sk").out == "--fail-on=\\x1b,skipped\n:4\n"


@pytest.mark.parametrize("shell", SCRIPTS)
def test_completion_prints_the_script(shell: str) -> None:
    assert run("completion", shell) == Outcome(0, SCRIPTS[shell], "")


@pytest.mark.parametrize("argv", [[], ["tcsh"], ["bash", "zsh"]], ids=["none", "another", "two"])
def test_another_shell_is_a_usage_error(argv: list[str]) -> None:
    outcome = run("completion", *argv)

    problem = f"{' '.join(argv)!r} is not one of the shells" if argv else "a shell is missing"
    assert outcome == Outcome(
        2,
        "",
        f"pod-identity-webhook completion: {problem}: bash, zsh, fish\nSee 'pod-identity-webhook completion --help'.\n",
    )


TYPED = {
    "the start of a command": ("pod-identity-webhook rep\t", "pod-identity-webhook replay "),
    "a flag": ("pod-identity-webhook replay --fail\t", "pod-identity-webhook replay --fail-on "),
    "a value": ("pod-identity-webhook replay --output=js\t", "pod-identity-webhook replay --output=json "),
    "the first letter of a value": (
        "pod-identity-webhook replay --output=\tj\t",
        "pod-identity-webhook replay --output=json ",
    ),
    "a file": ("pod-identity-webhook replay pyproj\t", "pod-identity-webhook replay pyproject.toml "),
    "a value that is a file": (
        "pod-identity-webhook replay --expect=pyproj\t",
        "pod-identity-webhook replay --expect=pyproject.toml ",
    ),
}


@pytest.mark.parametrize(("typed", "completed"), TYPED.values(), ids=TYPED)
def test_a_real_bash_completes(typed: str, completed: str) -> None:
    assert typed_in_bash(typed).strip() == completed.strip()
