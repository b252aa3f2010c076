"""What may stand at the end of a command line: commands, flags and the values of flags. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from webhook.commands.flags.flag import Flag
from webhook.commands.table import COMMANDS, Command

_FILE_WORDS: Final = frozenset({"FILE", "DIR", "PATH", "PEM"})
_WORDS_OF_BOOL: Final = ("true", "false")
_BEYOND_COMMANDS: Final = {"help": "show the help of a command", "version": "print the version"}


@dataclass(frozen=True, slots=True)
class Candidates:
    """The words that fit, each with its explanation, and whether names of files fit too."""

    words: tuple[tuple[str, str], ...] = ()
    files: bool = False


def candidates(words: Sequence[str]) -> Candidates:
    """Returns what fits in place of the last of `words`, which may be empty; the program's name is not among them."""
    *before, last = words or [""]
    if before[:1] == ["help"]:
        before = before[1:]
        command, rest = _command(before)
        return _starting(_commands(command), last) if not rest else Candidates()
    command, rest = _command(before)
    if command.commands:
        # An unknown word before this one: nothing fits.
        return _starting(_commands(command), last) if not rest else Candidates()
    return _of_command(command, command.load_flags(), rest, last)


def _command(words: Sequence[str]) -> tuple[Command, Sequence[str]]:
    """Returns the command that `words` name, and the words after its name."""
    command = COMMANDS
    for index, word in enumerate(words):
        below = command.named(word)
        if below is None:
            return command, words[index:]
        command = below
    return command, ()


def _commands(group: Command) -> list[tuple[str, str]]:
    found = [(command.name, command.what) for command in group.commands]
    return found + list(_BEYOND_COMMANDS.items()) if group is COMMANDS else found


def _of_command(command: Command, flags: Sequence[Flag], before: Sequence[str], last: str) -> Candidates:
    if "--" in before:
        return Candidates(files=True)
    name, equals, value = last.partition("=")
    if equals and (flag := _flag(flags, name)):
        found = _values(flag, value)
        return Candidates(tuple((f"{name}={word}", what) for word, what in found.words), found.files)
    if before and (flag := _flag(flags, before[-1])) and flag.kind != "bool":
        return _values(flag, last)
    if last.startswith("-") and flags:
        return _starting([(f"--{flag.name}", flag.help) for flag in flags] + [("--help", "show the help")], last)
    if command.arguments:
        words = [(word, "") for word in command.arguments]
        return _starting(words, last) if not _has_argument(flags, before) else Candidates()
    return Candidates(files=True)


def _has_argument(flags: Sequence[Flag], words: Sequence[str]) -> bool:
    """Whether one of `words` is neither a flag nor the value of one."""
    is_value = False
    for word in words:
        if not is_value and not word.startswith("-"):
            return True
        flag = None if is_value else _flag(flags, word)
        is_value = flag is not None and flag.kind != "bool"
    return False


def _flag(flags: Sequence[Flag], word: str) -> Flag | None:
    spelled = word[:2] + word[2:].replace("_", "-")
    return next(
        (flag for flag in flags if spelled == f"--{flag.name}" or (flag.short and word == f"-{flag.short}")), None
    )


def _values(flag: Flag, start: str) -> Candidates:
    if flag.kind == "list" and flag.choices:
        done, comma, start = start.rpartition(",")
        taken = done.split(",")
        words = [(f"{done}{comma}{choice}", "") for choice in flag.choices if choice not in taken]
        return _starting(words, f"{done}{comma}{start}")
    choices = _WORDS_OF_BOOL if flag.kind == "bool" else flag.choices
    found = _starting([(choice, "") for choice in choices], start)
    return Candidates(found.words, flag.kind == "path" or not _FILE_WORDS.isdisjoint(flag.metavar.split("|")))


def _starting(words: Sequence[tuple[str, str]], start: str) -> Candidates:
    return Candidates(tuple(word for word in words if word[0].startswith(start)))
