"""One log line about a decision, with its fields: which pod gets which role, and why."""

import logging
from time import perf_counter
from typing import Any, Final

from webhook.admission.decision import Decision
from webhook.admission.review import Review
from webhook.server.logs import FIELDS

# Of one review. The pod's author sees all warnings; the log is for the admin who looks for the pod.
_WARNINGS_LOGGED: Final = 3
_DENIED_LOGGED: Final = 500
# The longest pod name that the API server accepts (a DNS subdomain), and the longest role ARN that AWS accepts.
_POD_LOGGED: Final = 253
_ROLE_LOGGED: Final = 2048

logger = logging.getLogger(__name__)


def logs_quiet_decisions(*, injections: bool) -> bool:
    """Whether `log_decision` may have to log a decision without a warning. `injections`: the flag --log-injections."""
    return injections or logger.isEnabledFor(logging.DEBUG)


def log_decision(review: Review, decision: Decision, started: float, *, injections: bool) -> None:
    """Logs a refusal as a warning, a decision with warnings (and, if `injections`, each injection) as information.

    Any other decision is for debugging. `started` is when the review came (`perf_counter`).
    """
    level = _level_of(decision, injections=injections)
    if not logger.isEnabledFor(level):
        return
    verdict = "admitted" if decision.allowed else "refused"
    logger.log(level, verdict, extra={FIELDS: _fields(review, decision, perf_counter() - started)})


def _level_of(decision: Decision, *, injections: bool) -> int:
    if decision.denied:
        return logging.WARNING
    if decision.warnings or (injections and decision.reason == "injected"):
        return logging.INFO
    return logging.DEBUG


def fields_of(review: Review) -> dict[str, Any]:
    """Returns the fields that say which review a line is about. Leaves out those that are empty."""
    pod = review.pod.meta if review.pod is not None else None
    fields = {
        "namespace": review.namespace,
        "pod": _cut((pod.name or pod.generateName or "") if pod is not None else "", _POD_LOGGED),
        "service_account": review.service_account,
        "uid": review.uid,
    }
    return {name: value for name, value in fields.items() if value}


def _fields(review: Review, decision: Decision, seconds: float) -> dict[str, Any]:
    """Returns the fields in the order of the line. Leaves out those that are empty."""
    fields = {
        "reason": decision.reason,
        **fields_of(review),
        "role": _cut(decision.audit.get("role-arn", ""), _ROLE_LOGGED),
        "denied": _cut(decision.denied, _DENIED_LOGGED),
        "warnings": decision.warnings[:_WARNINGS_LOGGED],
        "more_warnings": len(decision.warnings[_WARNINGS_LOGGED:]),
        "operations": decision.operation_count,
    }
    said = {name: value for name, value in fields.items() if value}
    return said | {"dry_run": review.dry_run, "duration_ms": round(seconds * 1000, 3)}


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
