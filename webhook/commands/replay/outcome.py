"""What came of each object: one word, which the last line counts and which --fail-on can name."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final, Literal, TypeAlias

from webhook.commands.replay.case import Case, Skipped
from webhook.diagnosis.answers import Answer

Outcome: TypeAlias = Literal[
    "injected", "unchanged", "not-found", "not-called", "uncertain", "denied", "error", "skipped"
]
Results: TypeAlias = Sequence[tuple[Case, Answer]]

# How the last line counts each outcome, in its order.
_COUNTED: Final[dict[Outcome, str]] = {
    "injected": "injected",
    "unchanged": "unchanged",
    "not-found": "not found",
    "not-called": "not called",
    "uncertain": "uncertain",
    "denied": "denied",
    "error": "answered with an error",
}


def is_bad(answer: Answer) -> bool:
    """Whether the answer would prevent the pod: it is a denial or an error."""
    return bool(answer.error) or not answer.allowed


def outcome_of(case: Case, answer: Answer) -> Outcome:
    """Returns the one outcome of a case.

    `not-found`: it is unchanged because its ServiceAccount does not exist. `uncertain`: it would be injected or denied,
    if the API server asks.
    """
    if case.not_called:
        return "not-called"
    if answer.error:
        return "error"
    if answer.only_if:
        return "uncertain"
    if not answer.allowed:
        return "denied"
    if answer.patch:
        return "injected"
    return "not-found" if answer.reason == "service_account_not_found" else "unchanged"


def failing(results: Results, skipped: Sequence[Skipped], fail_on: Collection[str]) -> list[str]:
    """Returns the words of `fail_on` that occur."""
    found: set[str] = {outcome_of(case, answer) for case, answer in results}
    if any(answer.warnings for _, answer in results):
        found.add("warning")
    if skipped:
        found.add("skipped")
    return [word for word in fail_on if word in found]


def counts(results: Results, skipped: Sequence[Skipped]) -> str:
    """Returns the last line: how many objects had which outcome, and what was skipped."""
    found = Counter(outcome_of(case, answer) for case, answer in results)
    text = f"{len(results)} replayed: "
    text += ", ".join(f"{found[outcome]} {word}" for outcome, word in _COUNTED.items() if found[outcome])
    warned = sum(bool(answer.warnings) for _, answer in results)
    if warned:
        text += f"; {warned} with warnings"
    files = sum(each.is_file for each in skipped)
    left_out = [_number(len(skipped) - files, "workload"), _number(files, "file")]
    return text + ("; skipped: " + ", ".join(filter(None, left_out)) if skipped else "")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}" if count else ""
