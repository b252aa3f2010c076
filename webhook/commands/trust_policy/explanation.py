"""The output of `trust-policy explain`, as text and as JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from certs.state import format_time
from webhook.commands.flags.parsing import Parsed
from webhook.commands.screen import cell, marks, screen
from webhook.issuer.trust_policy.evaluation import StatementResult, Verdict
from webhook.issuer.trust_policy.truth import Truth
from webhook.terminal import one_line

_MARKS: Final[dict[Truth, tuple[str, str]]] = {
    True: ("ok", "green"),
    False: ("failed", "red"),
    None: ("unknown", "magenta"),
}
_WORDS: Final[dict[Truth, str]] = {True: "yes", False: "no", None: "unknown"}
_STYLES: Final = {"allowed": "bold green", "denied": "bold red", "undetermined": "bold magenta"}
_APPLIES: Final[dict[Truth, str]] = {
    True: "applies",
    False: "does not apply",
    None: "it is not known whether it applies",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The question: the policy's file, the provider, the action, and the token's claims; when it expires, and now."""

    file: str
    provider: str
    action: str
    claims: Mapping[str, tuple[str, ...]]
    expires: datetime | None
    now: datetime

    @property
    def is_expired(self) -> bool:
        """Whether the token is expired; one without `exp` counts as valid."""
        return self.expires is not None and self.expires <= self.now


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a statement: whether it holds and why, and what was compared."""

    name: str
    holds: Truth
    reason: str
    policy: list[str]
    request: list[str]


def print_explanation(verdict: Verdict, asked: Asked, parsed: Parsed, environ: Mapping[str, str]) -> None:
    """Prints the verdict in the format of --output."""
    if parsed.values["output"] == "json":
        print(json.dumps(_as_json(verdict, asked), indent=2))
        return
    _print_text(verdict, asked, screen(parsed.values["color"], environ))


def _print_text(verdict: Verdict, asked: Asked, console: Console) -> None:
    _line(console, cell(verdict.outcome, _STYLES[verdict.outcome]), f": {verdict.reason}")
    for claim, values in asked.claims.items():
        _line(console, f"  {claim}: {', '.join(values) or 'none'}")
    _line(console, f"  provider: {asked.provider}")
    if asked.is_expired and asked.expires is not None:
        _line(
            console,
            cell("  the token is expired", "red"),
            f" since {format_time(asked.expires)}: after five minutes of grace, STS refuses it before it asks IAM",
        )
    for result in verdict.statements:
        _print_statement(result, asked, console)


def _print_statement(result: StatementResult, asked: Asked, console: Console) -> None:
    statement = result.statement
    sid = f" ({statement.sid})" if statement.sid else ""
    effect = statement.effect or "no effect"
    _line(console, "")
    _line(console, cell(one_line(f"{statement.path}{sid}"), "bold"), f" {effect}: {_APPLIES[result.applies]}")
    for part in _parts(result, asked):
        outcome, style = _MARKS[part.holds]
        _line(console, "  ", cell(marks()[outcome], style), f" {part.name}: {part.reason}")
        _values(console, "policy", part.policy)
        _values(console, "request", part.request)


def _parts(result: StatementResult, asked: Asked) -> Iterator[_Part]:
    statement = result.statement
    principals = [each.value.text for each in statement.principals]
    yield _Part("Principal", result.principal.holds, result.principal.reason, principals, [asked.provider])
    name = "NotAction" if statement.is_not_action else "Action"
    actions = [each.text for each in statement.actions]
    yield _Part(name, result.action.holds, result.action.reason, actions, [asked.action])
    for each in result.conditions:
        name = f"{each.condition.operator} {each.condition.key}"
        expected = [value.text for value in each.condition.values]
        actual = ["(not known)"] if each.actual is None else list(each.actual) or ["(no such key)"]
        yield _Part(name, each.holds, each.reason, expected, actual)


def _values(console: Console, side: str, values: list[str]) -> None:
    for index, value in enumerate(values):
        _line(console, f"      {'' if index else side:<8} {value}")


def _line(console: Console, *parts: Text | str) -> None:
    # A long line is the terminal's to fold: then it can be copied whole.
    console.print(
        Text.assemble(*(part if isinstance(part, Text) else cell(one_line(part)) for part in parts)), soft_wrap=True
    )


def _as_json(verdict: Verdict, asked: Asked) -> dict[str, Any]:
    return {
        "file": asked.file,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "provider": asked.provider,
        "claims": {claim: list(values) for claim, values in asked.claims.items()},
        "tokenExpires": None if asked.expires is None else format_time(asked.expires),
        "tokenExpired": asked.is_expired,
        "statements": [_statement_as_json(result) for result in verdict.statements],
    }


def _statement_as_json(result: StatementResult) -> dict[str, Any]:
    statement = result.statement
    return {
        "path": statement.path,
        "sid": statement.sid or None,
        "effect": statement.effect or None,
        "applies": _WORDS[result.applies],
        "principal": {"holds": _WORDS[result.principal.holds], "reason": result.principal.reason},
        "action": {"holds": _WORDS[result.action.holds], "reason": result.action.reason},
        "conditions": [
            {
                "path": each.condition.path,
                "operator": each.condition.operator,
                "key": each.condition.key,
                "expected": [value.text for value in each.condition.values],
                "actual": None if each.actual is None else list(each.actual),
                "holds": _WORDS[each.holds],
                "reason": each.reason,
            }
            for each in result.conditions
        ],
    }
