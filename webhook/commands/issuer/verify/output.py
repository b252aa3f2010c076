"""The output of `issuer verify`, as text and as JSON. The checks have no part of a token's text."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from rich.table import Table

from certs.state import format_time
from webhook.commands.screen import cell, marks, screen
from webhook.issuer.check import Check
from webhook.issuer.verification import Section
from webhook.terminal import one_line, print_styled

_STYLES: Final = {"ok": "green", "failed": "bold red", "skipped": "dim"}


def print_text(
    issuer: str, sections: Sequence[Section], now: datetime, colour: str, environ: Mapping[str, str]
) -> None:
    """Prints a table for people: a line for each check, and a line with the fix for each that failed."""
    console = screen(colour, environ)
    with console.capture() as captured:
        console.print(cell(one_line(f"{issuer} at {format_time(now)}")))
        for section in sections:
            console.print()
            console.print(cell(section.title, "bold"))
            console.print(_table(section.checks))
        console.print()
        console.print(cell(_summary(sections)))
    # Each cell is padded to the width of its column; at the end of a line, that is of no use.
    print_styled("\n".join(line.rstrip(" ") for line in captured.get().split("\n")))


def as_json(issuer: str, audiences: Sequence[str], sections: Sequence[Section], now: datetime) -> str:
    """Returns the checks for scripts; `failed` has the names of those that failed."""
    document = {
        "time": format_time(now),
        "issuer": issuer,
        "audiences": list(audiences),
        "failed": [check.name for check in failed_checks(sections)],
        "checks": [
            {
                "section": section.title,
                "name": check.name,
                "requirement": check.requirement,
                "outcome": check.outcome,
                "found": check.found,
                "fix": check.fix or None,
            }
            for section in sections
            for check in section.checks
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def failed_checks(sections: Sequence[Section]) -> list[Check]:
    """Returns the checks that failed."""
    return [check for section in sections for check in section.checks if check.outcome == "failed"]


def _table(checks: Sequence[Check]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        # On a narrow terminal, the name of a host must not lose its end.
        table.add_column(overflow="fold")
    shown = marks()
    for (outcome, reason), group in groupby(checks, lambda check: (check.outcome, _skipped_reason(check))):
        members, style = list(group), _STYLES[outcome]
        mark = cell(f"  {shown[outcome]}", style)
        if reason and len(members) > 1:
            table.add_row(mark, cell(f"{len(members)} requirements", style), cell(one_line(reason), style))
            continue
        for check in members:
            found, inner = (reason, style) if reason else (check.found, "")
            table.add_row(mark, cell(check.requirement, inner), cell(one_line(found), inner))
            if check.fix:
                table.add_row("", "", cell(f"fix: {one_line(check.fix)}", "bold"))
    return table


def _skipped_reason(check: Check) -> str:
    return f"skipped: {check.found}" if check.outcome == "skipped" else ""


def _summary(sections: Sequence[Section]) -> str:
    failed = len(failed_checks(sections))
    skipped = sum(check.outcome == "skipped" for section in sections for check in section.checks)
    without = f" ({skipped} skipped)" if skipped else ""
    if not failed:
        return f"Every requirement that was checked is met{without}."
    return f"{failed} {'requirement is' if failed == 1 else 'requirements are'} not met{without}."
