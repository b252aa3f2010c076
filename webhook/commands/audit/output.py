"""What `audit` prints: the findings by owner, or as JSON."""

import json
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from rich.console import Console

from webhook.commands.screen import cell, print_hanging
from webhook.diagnosis.findings import Finding, age_text, by_owner
from webhook.diagnosis.verdict import Difference, Verdict
from webhook.terminal import one_line


def as_json(findings: Sequence[Finding], now: datetime) -> str:
    """Returns the findings as a JSON array, in the order of the text."""
    ordered = [each.as_json(now) for _, found in by_owner(findings) for each in found]
    return json.dumps(ordered, indent=2) + "\n"


def print_findings(findings: Sequence[Finding], now: datetime, console: Console) -> None:
    """Prints each owner with its findings; pods of one owner with the same finding and reason are together."""
    for number, (owner, found) in enumerate(by_owner(findings)):
        if number:
            console.print()
        console.print(cell(one_line(str(owner)), "bold"))
        ordered = sorted(
            found, key=lambda each: (each.verdict.kind != "missing", _said(each.verdict), each.created_at, each.pod)
        )
        for said, group in groupby(ordered, key=lambda each: _said(each.verdict)):
            first, *rest = said
            print_hanging(console, 2, cell(one_line(first), "red" if first.startswith("not injected") else "magenta"))
            for line in rest:
                print_hanging(console, 2, cell(one_line(line)))
            for each in group:
                print_hanging(console, 4, cell(each.pod).append(f"  {age_text(each.age(now))}", style="dim"))


def summary(findings: Sequence[Finding], seen: int) -> str:
    """Returns the last line: how many pods were read, and how many findings there are."""
    missing = sum(each.verdict.kind == "missing" for each in findings)
    pods = f"{seen} pod{'' if seen == 1 else 's'} read"
    if not findings:
        return f"{pods}: no findings"
    owners = len({each.owner for each in findings})
    return (
        f"{pods}: {missing} not injected, {len(findings) - missing} with other values, "
        f"of {owners} owner{'' if owners == 1 else 's'}"
    )


def _said(verdict: Verdict) -> tuple[str, ...]:
    """Returns the lines about a verdict: what, why, and the doubts."""
    lines = [_what(verdict), f"{verdict.reason}: {verdict.why}"]
    if verdict.kind == "changed":
        lines[1:1] = [_changed(each) for each in verdict.differences]
    if not verdict.heals:
        lines.append("a new pod would be no better")
    return (*lines, *verdict.doubts)


def _what(verdict: Verdict) -> str:
    if verdict.kind == "changed":
        return "carries other values than it would get now"
    containers = list(dict.fromkeys(each.container for each in verdict.differences))
    named = f"container{'' if len(containers) == 1 else 's'} {', '.join(containers)} " if containers else ""
    return f"not injected: {named}would get {verdict.role or 'credentials'}"


def _changed(difference: Difference) -> str:
    has, would_have = difference.has or "none", difference.would_have or "none"
    return f"{difference.what} {has}, now {would_have} (container {difference.container})"
