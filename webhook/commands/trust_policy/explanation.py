"""The output of `trust-policy explain`, as text and as JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from webhook.commands.flags.parsing import Parsed
from webhook.commands.screen import cell, screen
from webhook.issuer.trust_policy.conditions import ConditionResult
from webhook.issuer.trust_policy.evaluation import StatementResult, Verdict
from webhook.issuer.trust_policy.truth import Truth
from webhook.terminal import one_line, print_styled

_MARKS: Final[dict[Truth, tuple[str, str]]] = {True: ("✓", "green"), False: ("✗", "red"), None: ("?", "yellow")}
_WORDS: Final[dict[Truth, str]] = {True: "yes", False: "no", None: "unknown"}
_STYLES: Final = {"allowed": "bold green", "denied": "bold red", "undetermined": "bold yellow"}
_APPLIES: Final[dict[Truth, str]] = {
    True: "applies",
    False: "does not apply",
    None: "it is not known whether it applies",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The question: the policy's file, the provider, the action, the token's claims, when it expires, and the time now."""

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
        expired = f"{asked.expires.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        _line(console, cell("  the token is expired", "red"), f" since {expired}: STS refuses it before it asks IAM")
    for result in verdict.statements:
        _print_statement(result, asked, console)


def _print_statement(result: StatementResult, asked: Asked, console: Console) -> None:
    statement = result.statement
    sid = f" ({statement.sid})" if statement.sid else ""
    effect = statement.effect or "no effect"
    _line(console, "")
    _line(console, cell(one_line(f"{statement.path}{sid}"), "bold"), f" {effect}: {_APPLIES[result.applies]}")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=True, header_style="dim")
    # Values may be long: on a narrow terminal they fold, and no part of them is left out.
    for heading in ("  ", "part", "the policy says", "the request has", "so"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "  ")
    for truth, *cells in _rows(result, asked):
        mark, style = _MARKS[truth]
        table.add_row(cell(f"  {mark}", style), *(cell(one_line(text)) for text in cells))
    with console.capture() as capture:
        console.print(table)
    # The table fills every line with blanks up to its width.
    print_styled("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def _rows(result: StatementResult, asked: Asked) -> Iterator[tuple[Truth, str, str, str, str]]:
    """Yields for each part of a statement whether it holds, its name, both sides, and why."""
    statement = result.statement
    named = " or ".join(each.value.text for each in statement.principals)
    yield result.principal.holds, "Principal", named, asked.provider, result.principal.reason
    actions = " or ".join(each.text for each in statement.actions)
    yield (
        result.action.holds,
        "NotAction" if statement.is_not_action else "Action",
        actions,
        asked.action,
        result.action.reason,
    )
    for condition in result.conditions:
        part = f"{condition.condition.operator} {condition.condition.key}"
        expected = " or ".join(value.text for value in condition.condition.values)
        yield condition.holds, part, expected, _actual(condition), condition.reason


def _actual(result: ConditionResult) -> str:
    if result.actual is None:
        return "(unknown)"
    return ", ".join(result.actual) or "(no such key)"


def _line(console: Console, *parts: Text | str) -> None:
    console.print(Text.assemble(*(part if isinstance(part, Text) else cell(one_line(part)) for part in parts)))


def _as_json(verdict: Verdict, asked: Asked) -> dict[str, Any]:
    return {
        "file": asked.file,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "provider": asked.provider,
        "claims": {claim: list(values) for claim, values in asked.claims.items()},
        "tokenExpires": None if asked.expires is None else asked.expires.astimezone(UTC).isoformat(),
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
