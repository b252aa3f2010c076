"""The answer to a review, from the webhook's code in this process, or as a running webhook sent it."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import jsonpatch
import msgspec

from webhook.admission.decision import answer, decide
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.review import parse
from webhook.admission.settings import Settings
from webhook.errors import ReviewError

_decode_patch: Final = msgspec.json.Decoder(list[dict[str, Any]]).decode
# For members of a wrong type, jsonpatch raises other errors besides its own.
_NOT_APPLICABLE: Final = (
    jsonpatch.JsonPatchException,
    jsonpatch.JsonPointerException,
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
)

# Finds a ServiceAccount by namespace and name; returns None if it does not exist.
FindAccount: TypeAlias = Callable[[str, str], ServiceAccount | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one review.

    `error` is set if the answer is not an AdmissionReview or if the API server could not use it; it includes the HTTP
    status if there is one. `after` is the patched pod; None if the review has no pod. `only_if` names what decides
    whether the API server asks at all, if nobody evaluated it and the pod depends on it.
    """

    review: dict[str, Any] = field(default_factory=dict)
    patch: list[dict[str, Any]] = field(default_factory=list)
    allowed: bool = False
    reason: str = ""
    message: str = ""
    warnings: list[str] = field(default_factory=list)
    error: str = ""
    after: dict[str, Any] | None = None
    only_if: str = ""


def answer_here(
    body: bytes, find_account: FindAccount, sources: Sources, settings: Settings, *, namespace_requires: bool = False
) -> Answer:
    """Returns the answer of the webhook's code, with its reason.

    `namespace_requires`: a label of the pod's namespace requires that its pods get the credentials of their role.
    """
    try:
        review = parse(body)
    except ReviewError as error:
        return Answer(error=f"HTTP 400: {error}")
    account = find_account(review.namespace, review.service_account) if review.pod is not None else None
    decision = decide(review, account, sources, settings, namespace_requires=namespace_requires)
    return read_answer(answer(review, decision), decision.reason, decision.why)


def applied(answer: Answer, pod: dict[str, Any] | None) -> Answer:
    """Returns `answer` with `after`, the patched `pod`; with an error if the patch does not apply."""
    if pod is None or not answer.patch:
        return replace(answer, after=pod)
    try:
        return replace(answer, after=jsonpatch.JsonPatch(answer.patch).apply(pod))
    except _NOT_APPLICABLE as error:
        return replace(answer, after=pod, error=f"the patch does not apply: {error}")


class _Response(msgspec.Struct):
    allowed: bool
    patch: str | None = None
    warnings: list[str] | None = None
    auditAnnotations: dict[str, str] | None = None
    status: dict[str, Any] | None = None


class _Review(msgspec.Struct):
    response: _Response


def read_answer(body: bytes, reason: str, why: str) -> Answer:
    """Reads the response of an AdmissionReview, which may come from any webhook."""
    try:
        response = msgspec.json.decode(body, type=_Review).response
        return Answer(
            review=msgspec.json.decode(body),
            patch=_decode_patch(base64.b64decode(response.patch)) if response.patch else [],
            allowed=response.allowed,
            reason=reason or (response.auditAnnotations or {}).get("decision", ""),
            message=str((response.status or {}).get("message", "")) or why,
            warnings=response.warnings or [],
        )
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return Answer(error=f"the answer is not an AdmissionReview with a response ({error})")
