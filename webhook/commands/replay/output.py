"""The output of `replay` for each case: a diff, the JSON Patch, the patched pod, or the whole answer."""

import difflib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import yaml

from webhook.commands.replay.case import Case
from webhook.commands.replay.outcome import is_bad
from webhook.diagnosis.answers import Answer
from webhook.terminal import escaped, one_line

_RED, _GREEN, _CYAN, _BOLD, _YELLOW, _RESET = (f"\x1b[{code}m" for code in (31, 32, 36, 1, 33, 0))


def diff(case: Case, answer: Answer) -> str:
    """Returns the decision, its warnings, and a unified diff of the pod before and after."""
    lines = [f"# {case.title}", f"# {verdict(case, answer)}"]
    lines += [f"# warning: {warning}" for warning in answer.warnings]
    lines = [one_line(line) for line in lines]
    if case.pod is not None:
        before, after = (to_yaml(pod).splitlines() for pod in (case.pod, answer.after))
        lines += difflib.unified_diff(before, after, "before", "after", lineterm="")
    return "\n".join(lines) + "\n"


def patch(_case: Case, answer: Answer) -> str:
    """Returns the JSON Patch in one line."""
    return json.dumps(answer.patch) + "\n"


def pod(_case: Case, answer: Answer) -> str:
    """Returns the patched pod as a YAML document; "" if the API server would not create it, or if there is no pod."""
    return "" if is_bad(answer) or answer.after is None else "---\n" + to_yaml(answer.after)


def review(_case: Case, answer: Answer) -> str:
    """Returns the whole AdmissionReview in one line; null if there is none."""
    return json.dumps(answer.review or None) + "\n"


RENDERERS: Final[Mapping[str, tuple[Callable[[Case, Answer], str], str]]] = {
    "diff": (diff, "diff"),
    "patch": (patch, "json"),
    "pod": (pod, "yaml"),
    "review": (review, "json"),
}


def coloured(text: str) -> str:
    """Returns a diff in colours, with the escape sequences of its content escaped."""
    return "".join(_colour(line) for line in escaped(text).splitlines(keepends=True))


def to_yaml(value: Any) -> str:
    """Returns YAML as people write it for Kubernetes: in block style, with members in their original order."""
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000)
    if escaped(text) == text:
        return text
    # Let YAML escape such characters, so that a parser still reads the same value.
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=False, width=1000)


def complaints(case: Case, answer: Answer) -> list[str]:
    """Returns lines for standard error about a case, for outputs without the verdict; none if the case is fine."""
    said = [f"warning: {warning}" for warning in answer.warnings]
    if case.not_called or is_bad(answer):
        said.insert(0, verdict(case, answer))
    return [one_line(f"{case.title}: {text}") for text in said]


def verdict(case: Case, answer: Answer) -> str:
    """Returns what came of the case, and why, in a line."""
    if case.not_called:
        return f"not called: {case.not_called}"
    if answer.error:
        return f"error: {answer.error}"
    if answer.only_if:
        return f"uncertain, only if {answer.only_if} are true: {_decision(answer)}"
    return _decision(answer)


def _decision(answer: Answer) -> str:
    if not answer.allowed:
        return f"denied: {answer.message or answer.reason or 'no reason given'}"
    what = "patched" if answer.patch else "unchanged"
    details = [detail for detail in (answer.reason, answer.message) if detail]
    return f"{what}: {', '.join(details)}" if details else what


def _colour(line: str) -> str:
    if line.startswith("# warning:"):
        colour = _YELLOW
    elif line.startswith(("# ", "--- ", "+++ ")):
        colour = _BOLD
    elif line.startswith("@@"):
        colour = _CYAN
    elif line.startswith("+"):
        colour = _GREEN
    elif line.startswith("-"):
        colour = _RED
    else:
        return line
    return f"{colour}{line.rstrip()}{_RESET}\n"
