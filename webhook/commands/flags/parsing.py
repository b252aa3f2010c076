"""Parses the command line and the environment as the Go webhook does.

The syntax is pflag's: `--flag value` and `--flag=value`, a bool with or without `=value`, dashes or underscores. Each
flag is also an environment variable with the prefix `PIW_` (see `Flag.variable`). We cannot use the prefix
POD_IDENTITY_WEBHOOK_, because for a Service named pod-identity-webhook, Kubernetes sets POD_IDENTITY_WEBHOOK_PORT in
pods.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webhook.admission.golang import parse_bool, parse_duration, parse_int
from webhook.commands.flags.flag import ENV_PREFIX, Flag


@dataclass(slots=True)
class Parsed:
    """The flags' values by settings field, the fields that the user set (not defaults), and the positional arguments.

    `problems` holds a line for each error; if there is one, do not use the values.
    """

    values: dict[str, Any] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    positionals: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    help_wanted: bool = False

    def of(self, names: Iterable[str]) -> dict[str, Any]:
        """Returns the values of some fields."""
        return {name: self.values[name] for name in names}


def parse(flags: Sequence[Flag], argv: Sequence[str], environ: Mapping[str, str]) -> Parsed:
    """Takes values from `argv`, else from `environ`, else from the defaults. Never raises; collects all problems."""
    parsed = Parsed()
    texts: dict[str, tuple[str, str]] = {}
    repeated: dict[str, list[str]] = {}
    for flag in flags:
        # An empty variable counts as unset, because manifests write optional values like that.
        if flag.variable and environ.get(flag.variable):
            texts[flag.name] = (flag.variable, environ[flag.variable])
    _read_argv({spelling: flag for flag in flags for spelling in _spellings(flag)}, argv, texts, repeated, parsed)
    for flag in flags:
        origin, text = texts.get(flag.name, (f"--{flag.name}", flag.default))
        if flag.name in texts:
            parsed.given.add(flag.field)
        try:
            value = _convert(flag, text)
        except ValueError:
            parsed.problems.append(f"{origin}: {text!r} is not {_expected(flag)}")
            # Use the default for now, so that the same run can find further problems.
            value = _convert(flag, flag.default)
        parsed.values[flag.field] = tuple(repeated[flag.name]) if flag.name in repeated else value
    return parsed


def unknown_variables(flags: Iterable[Flag], environ: Mapping[str, str]) -> list[str]:
    """Returns the variables with our prefix that set no flag: most likely typing errors."""
    known = {flag.variable for flag in flags}
    return sorted(name for name in environ if name.startswith(ENV_PREFIX) and name not in known)


def _spellings(flag: Flag) -> list[str]:
    return [f"--{flag.name}", f"-{flag.short}"] if flag.short else [f"--{flag.name}"]


def _read_argv(
    flags: Mapping[str, Flag],
    argv: Sequence[str],
    texts: dict[str, tuple[str, str]],
    repeated: dict[str, list[str]],
    parsed: Parsed,
) -> None:
    words = iter(argv)
    for word in words:
        if word == "--":
            parsed.positionals.extend(words)
        elif word == "-" or not word.startswith("-"):
            parsed.positionals.append(word)
        elif word in {"-h", "--help"}:
            parsed.help_wanted = True
        else:
            spelling, equals, value = word.partition("=")
            spelling = spelling[:2] + spelling[2:].replace("_", "-")
            flag = flags.get(spelling)
            if flag is None and not word.startswith("--") and word[:2] in flags:
                # pflag's -v4
                spelling, equals, value = word[:2], "=", word[2:]
                flag = flags[spelling]
            if flag is None:
                parsed.problems.append(_unknown(spelling, flags))
                continue
            if not equals:
                following = "true" if flag.kind == "bool" else next(words, None)
                if following is None:
                    parsed.problems.append(f"{spelling}: needs a value")
                    continue
                value = following
            texts[flag.name] = (spelling, value)
            if flag.repeatable:
                repeated.setdefault(flag.name, []).append(value)


def _unknown(spelling: str, flags: Iterable[str]) -> str:
    close = difflib.get_close_matches(spelling, list(flags), n=1)
    return f"{spelling}: no such flag" + (f"; did you mean {close[0]}?" if close else "")


def _convert(flag: Flag, text: str) -> Any:
    """Returns the value of `text`; an empty path is None. Raises ValueError."""
    value: Any = text
    if flag.kind == "path":
        return Path(text) if text else None
    if flag.kind == "list":
        members = tuple(member for part in text.split(",") if (member := part.strip()))
        if flag.choices and not set(members) <= set(flag.choices):
            raise ValueError(text)
        return members
    if flag.kind == "bool":
        value = parse_bool(text)
    elif flag.kind in ("int", "port"):
        value = parse_int(text)
    elif flag.kind == "duration":
        value = parse_duration(text)
    is_wrong = (
        value is None
        or (flag.kind == "duration" and value < 0)
        or (flag.kind == "port" and not 0 <= value <= 65535)
        or (flag.choices and value not in flag.choices)
    )
    if is_wrong:
        raise ValueError(text)
    return value


def _expected(flag: Flag) -> str:
    if flag.choices:
        one_or_more = "a list, separated by commas, of" if flag.kind == "list" else "one of"
        return f"{one_or_more} {', '.join(flag.choices)}"
    return {
        "bool": "a bool (true or false)",
        "int": "an integer",
        "duration": "a duration such as 100ms or 1m30s",
        "port": "a port (0 to 65535)",
    }[flag.kind]
