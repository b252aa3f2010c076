"""Makes help texts from the flag table."""

import textwrap
from collections.abc import Sequence
from itertools import groupby

from webhook.commands.flags.flag import Flag

_INDENT = " " * 8
_WIDTH = 100


def help_text(usage: str, about: str, flags: Sequence[Flag]) -> str:
    """Returns a command's --help: its usage, its purpose, and its flags by group."""
    lines = [f"Usage: pod-identity-webhook {usage}", "", *_wrapped(about)]
    for group, members in groupby(sorted(flags, key=lambda flag: _order(flags, flag)), key=lambda flag: flag.group):
        lines += ["", f"{group}:"]
        for flag in members:
            lines.append(f"  {_spelling(flag)}")
            default = f" (default {flag.default!r})" if flag.default and flag.kind != "bool" else ""
            lines += _wrapped(flag.help + default, _INDENT)
    unset = ", ".join(f"--{flag.name}" for flag in flags if not flag.variable)
    but = f" except {unset}" if unset else ""
    lines += ["", *_wrapped(f"Each flag{but} is also an environment variable, for example:"), *_examples(flags)]
    return "\n".join(lines)


def markdown_table(flags: Sequence[Flag]) -> str:
    """Returns the flags as a table for the documentation."""
    short = {flag.name: f", `-{flag.short}`" if flag.short else "" for flag in flags}
    lines = ["| flag | environment | default | what |", "| --- | --- | --- | --- |"]
    for flag in flags:
        default = f"`{flag.default}`" if flag.default else ""
        choices = f" ({', '.join(flag.choices)})" if flag.choices else ""
        variable = f"`{flag.variable}`" if flag.variable else ""
        lines.append(f"| `--{flag.name}`{short[flag.name]} | {variable} | {default} | {flag.help}{choices} |")
    return "\n".join(lines)


def _wrapped(text: str, indent: str = "") -> list[str]:
    """Returns the lines of `text`, broken only at blanks: a broken value or flag could not be copied."""
    wrapper = textwrap.TextWrapper(
        _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    return wrapper.wrap(text)


def _examples(flags: Sequence[Flag]) -> list[str]:
    """Returns a line with a flag and its variable: one for a variable with the command's name, one for the others."""
    firsts = {bool(flag.command): flag for flag in reversed(flags) if flag.variable}
    return [f"  --{firsts[key].name} is {firsts[key].variable}" for key in sorted(firsts)]


def _order(flags: Sequence[Flag], flag: Flag) -> int:
    """Returns the position of the flag's group, which is that of its first flag."""
    return next(index for index, other in enumerate(flags) if other.group == flag.group)


def _spelling(flag: Flag) -> str:
    if flag.kind == "bool":
        short = f", -{flag.short}" if flag.short else ""
        return f"--{flag.name}" + ("=false" if flag.default == "true" else "") + short
    metavar = flag.metavar or ("|".join(flag.choices) if flag.choices else flag.kind.upper())
    return f"--{flag.name} {metavar}" + (f", -{flag.short} {metavar}" if flag.short else "")
