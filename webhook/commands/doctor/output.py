"""The output of `doctor`, as text and as JSON. No step has any part of a token."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from certs.state import format_time
from webhook.commands.screen import cell, marks, screen
from webhook.diagnosis.doctor.questions import RIGHTS
from webhook.diagnosis.doctor.step import PAGE, Status, Step
from webhook.diagnosis.doctor.symptoms import Symptom
from webhook.terminal import one_line, print_styled

# Not yellow or cyan: nobody can read them on a white terminal.
_STYLES: Final[dict[Status, str]] = {"ok": "green", "failed": "bold red", "skipped": "dim", "unknown": "magenta"}

_OF_INJECTION: Final = frozenset({"service-account", "configuration", "called", "endpoints", "certificate", "dry-run"})
"""The steps without which no pod is injected."""

_WIDE: Final = 120
"""Columns from which on titles and what was found stand side by side."""

_BELOW: Final = (0, 0, 0, 2)
"""The padding of what stands below a title, so that titles stand out without colour too."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The steps about `subject` at a time. `notes` are lines about what was assumed."""

    subject: str
    now: datetime
    steps: Sequence[Step]
    symptom: Symptom | None = None
    notes: Sequence[str] = ()

    @property
    def failed(self) -> list[Step]:
        """The steps that failed, in the order in which to mend them.

        The one that the symptom points to comes first. But a pod that was not injected has the same cause as a new pod
        that would not be: then the steps from the ServiceAccount to the dry run come first. A
        right that the webhook lacks can be the cause of any other fault of the installation.
        """
        pointed = self.symptom.step if self.symptom is not None else ""
        causes = _OF_INJECTION if pointed.startswith("pod-") else frozenset[str]()
        failed = [step for step in self.steps if step.status == "failed"]
        return sorted(
            failed, key=lambda step: (step.name not in causes, step.name != pointed, step.name != RIGHTS.name)
        )

    @property
    def saw_something(self) -> bool:
        """Whether any step was answered."""
        return any(step.status in ("ok", "failed") for step in self.steps)


def print_text(diagnosis: Diagnosis, colour: str, environ: Mapping[str, str]) -> None:
    """Prints a line for each step, what to do under each that failed, and what to do first at the end."""
    console = screen(colour, environ)
    with console.capture() as captured:
        _print(console, diagnosis)
    # Each cell is padded to the width of its column; at the end of a line, that is of no use.
    print_styled("\n".join(line.rstrip(" ") for line in captured.get().split("\n")))


def as_json(diagnosis: Diagnosis) -> str:
    """Returns the steps for scripts; `failed` has the names of those that failed."""
    symptom = diagnosis.symptom
    document: dict[str, Any] = {
        "time": format_time(diagnosis.now),
        "subject": diagnosis.subject,
        "symptom": None
        if symptom is None
        else {"step": symptom.step, "usualCause": symptom.usual_cause, "see": f"{PAGE}#{symptom.anchor}"},
        "failed": [step.name for step in diagnosis.failed],
        "steps": [
            {
                "name": step.name,
                "title": step.title,
                "status": step.status,
                "found": step.found,
                "next": step.next or None,
                "see": _see(step) or None,
            }
            for step in diagnosis.steps
        ],
        "notes": list(diagnosis.notes),
    }
    return json.dumps(document, indent=2) + "\n"


def _print(console: Console, diagnosis: Diagnosis) -> None:
    console.print(cell(one_line(f"{diagnosis.subject} at {format_time(diagnosis.now)}"), "bold"))
    symptom = diagnosis.symptom
    if symptom is not None:
        console.print(cell(f"The error points to: {symptom.title}. Usual cause: {symptom.usual_cause}."))
        console.print(cell(f"See {PAGE}#{symptom.anchor}"))
    console.print()
    console.print(_table(diagnosis, console.width))
    for note in diagnosis.notes:
        console.print()
        console.print(cell(one_line(f"Note: {note}"), "dim"))
    console.print()
    for line in _summary(diagnosis):
        console.print(cell(one_line(line), "bold"))


def _table(diagnosis: Diagnosis, width: int) -> Table:
    """Returns a row for each step; on a narrow terminal, what was found stands below the title."""
    table = Table.grid(padding=(0, 2, 0, 0))
    shown = marks()
    pointed = diagnosis.symptom.step if diagnosis.symptom is not None else ""
    for step in _in_order(diagnosis.steps, pointed):
        style = _STYLES[step.status]
        arrow = ">" if step.name == pointed else " "
        mark = cell(f"{arrow} {shown[step.status]}", style)
        is_marked = step.name == pointed or step.status == "failed"
        title = cell(step.title, "bold" if is_marked else _dimmed(step))
        rows = _details(step)
        if width < _WIDE:
            table.add_row(mark, title)
            for row in rows:
                table.add_row("", Padding(row, _BELOW))
            continue
        table.add_row(mark, title, rows[0])
        for row in rows[1:]:
            table.add_row("", "", row)
    return table


def _details(step: Step) -> list[Text]:
    """Returns what was found, and what to do."""
    said = f"skipped: {step.found}" if step.status == "skipped" else step.found
    rows = [cell(one_line(said), _dimmed(step))]
    if step.next:
        rows.append(cell(f"next: {one_line(step.next)}", "bold" if step.status == "failed" else "dim"))
    if see := _see(step):
        rows.append(cell(f"see:  {see}", "dim"))
    return rows


def _dimmed(step: Step) -> str:
    return "dim" if step.status == "skipped" else ""


def _in_order(steps: Sequence[Step], pointed: str) -> list[Step]:
    """Returns the steps in their order, the one that the symptom points to first."""
    return sorted(steps, key=lambda step: step.name != pointed)


def _summary(diagnosis: Diagnosis) -> list[str]:
    failed = diagnosis.failed
    unknown = sum(step.status == "unknown" for step in diagnosis.steps)
    unseen = f" {unknown} could not be seen from here (?)." if unknown else ""
    if not diagnosis.saw_something:
        return ["Nothing could be seen: doctor needs more rights, or other credentials."]
    if not failed:
        return [f"No step failed.{unseen}"]
    count = "1 step failed" if len(failed) == 1 else f"{len(failed)} steps failed"
    return [f"{count}.{unseen}", f"Begin with: {failed[0].title}: {failed[0].found}", f"Do: {failed[0].next}"]


def _see(step: Step) -> str:
    return f"{PAGE}#{step.anchor}" if step.status == "failed" and step.anchor else ""
