"""Outputs of `replay` for programs that read the whole: JSON, and annotations for GitHub Actions."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from webhook.commands.replay.case import Case, Skipped, Subject
from webhook.commands.replay.outcome import Outcome, Results, is_bad, outcome_of
from webhook.commands.replay.output import verdict
from webhook.diagnosis.answers import Answer
from webhook.terminal import one_line

Report: TypeAlias = Callable[[Results, Sequence[Skipped], Collection[str]], str]


def element(case: Case, answer: Answer) -> str:
    """Returns the JSON object of one case. Without its place, it has no `source` and `line`."""
    return json.dumps(_element(case, answer), indent=2) + "\n"


def as_json(results: Results, skipped: Sequence[Skipped], _fail_on: Collection[str]) -> str:
    """Returns one JSON array with an object for each case, and then for each thing that was skipped."""
    members = [_element(case, answer) for case, answer in results]
    members += [_members(each.subject, "skipped", message=each.why) for each in skipped]
    return json.dumps(members, indent=2) + "\n"


def as_github(results: Results, skipped: Sequence[Skipped], fail_on: Collection[str]) -> str:
    """Returns workflow commands of GitHub Actions: an error for what makes the exit code 1, a warning for the rest.

    https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    """
    lines: list[str] = []
    for case, answer in results:
        lines += _annotations(case, answer, fail_on)
    for each in skipped:
        level = "error" if "skipped" in fail_on else "warning"
        lines.append(_command(level, each.subject, f"{each.title}: skipped: {each.why}"))
    return "".join(f"{line}\n" for line in lines)


REPORTS: Final[Mapping[str, Report]] = {"json": as_json, "github": as_github}


def _annotations(case: Case, answer: Answer, fail_on: Collection[str]) -> Iterator[str]:
    outcome = outcome_of(case, answer)
    said = f"{case.label}: {verdict(case, answer)}"
    if is_bad(answer) or outcome in fail_on:
        yield _command("error", case.subject, said)
    elif outcome == "not-found":
        yield _command("warning", case.subject, said)
    for warning in answer.warnings:
        yield _command("error" if "warning" in fail_on else "warning", case.subject, f"{case.label}: {warning}")


def _command(level: str, subject: Subject, message: str) -> str:
    # Standard input is no file of the repository.
    is_file = subject.source not in {"", "standard input"}
    place = [f"file={_property(subject.source)}"] if is_file else []
    place += [f"line={subject.line}"] if is_file and subject.line else []
    return f"::{level} {','.join(place)}".rstrip() + f"::{_data(message)}"


def _data(text: str) -> str:
    return one_line(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _element(case: Case, answer: Answer) -> dict[str, Any]:
    return _members(
        case.subject,
        outcome_of(case, answer),
        reason=answer.reason,
        message=case.not_called or answer.error or answer.message,
        warnings=answer.warnings,
        denied=is_bad(answer),
        patch=answer.patch,
    )


def _members(
    subject: Subject,
    outcome: Outcome,
    *,
    reason: str = "",
    message: str,
    warnings: Sequence[str] = (),
    denied: bool = False,
    patch: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    place = {"source": subject.source, "line": subject.line or None} if subject.source else {}
    return place | {
        "kind": subject.kind,
        "namespace": subject.namespace,
        "name": subject.name,
        **({"template": subject.template} if subject.template else {}),
        "outcome": outcome,
        "reason": reason,
        "message": message,
        "warnings": list(warnings),
        "denied": denied,
        "patch": list(patch),
    }
