"""The answer to a case: what the API server does with it before and after it calls the webhook."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeAlias

import msgspec

from webhook.admission.asking import Call
from webhook.commands.replay.case import Case
from webhook.commands.replay.match_conditions import is_available
from webhook.diagnosis.answers import Answer, applied
from webhook.server.mutate_endpoint import PATH, REQUIRE_PATH

_WITHOUT_LIBRARY: Final = "without a library for CEL (pip install 'pod-identity-webhook[cel]')"

# Asks the webhook at a path about a review.
Ask: TypeAlias = Callable[[bytes, str], Answer]


def answer_of(case: Case, ask: Ask) -> Answer:
    """Returns the answer to `case`. If it depends on match conditions whose value is not known, it names them."""
    if case.refused:
        return Answer(message=case.refused, warnings=list(case.doubts), after=case.pod)
    if case.not_called:
        return Answer(allowed=True, warnings=list(case.doubts), after=case.pod)
    answer = _after(case, case.calls, ask)
    certain = tuple(call for call in case.calls if not call.conditions)
    if certain == case.calls:
        return answer
    without = _after(case, certain, ask)
    if (without.allowed, without.error, without.after) == (answer.allowed, answer.error, answer.after):
        # Whether the API server asks or not, the pod is the same.
        return answer
    conditions = _conditions(case.calls)
    why = f"cannot be told {'from here' if is_available() else _WITHOUT_LIBRARY}"
    warning = (
        f"the API server asks only if {conditions} are true, which {why}: kubectl create "
        "--dry-run=server shows what the API server does"
    )
    return replace(answer, only_if=conditions, warnings=[warning, *answer.warnings])


def _after(case: Case, calls: tuple[Call, ...], ask: Ask) -> Answer:
    """Returns the answer to `case` after `calls`, one after the other, each with the pod that the last one left.

    Several entries can match the same pod. The patch and the warnings are then those of all calls, and the review is
    that of the last. A refusal or an error ends them.
    """
    warnings = list(case.doubts)
    answer = Answer(allowed=True, after=case.pod)
    patch: list[dict[str, Any]] = []
    body = case.body
    # As the webhook gets the pod: if its controller names containers, with names that `case.pod` does not have.
    sent = msgspec.json.decode(body, type=dict[str, Any]).get("request", {}).get("object") if len(calls) > 1 else None
    for call in calls:
        if call.path not in {PATH, REQUIRE_PATH}:
            problem = f"the entry {call.entry} calls the path {call.path}, which the webhook does not serve"
            return replace(answer, error=problem, warnings=warnings)
        asked = ask(body, call.path)
        answer = applied(asked, answer.after)
        warnings += answer.warnings
        patch += answer.patch
        if answer.error or not answer.allowed:
            break
        if answer.patch and len(calls) > 1:
            sent = applied(asked, sent).after
            body = _with_object(body, sent)
    return replace(answer, patch=patch, warnings=warnings)


def _conditions(calls: tuple[Call, ...]) -> str:
    """Returns the match conditions of all calls, by entry."""
    return "matchConditions " + "; ".join(
        f"{', '.join(call.conditions)} of entry {call.entry}" for call in calls if call.conditions
    )


def _with_object(body: bytes, pod: Any) -> bytes:
    review = msgspec.json.decode(body, type=dict[str, Any])
    return msgspec.json.encode({**review, "request": {**review["request"], "object": pod}})
