"""The answer to a replayed review: decided here by the webhook's own code, or asked of a running webhook."""

import base64
import contextlib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import httpx
import jsonpatch
import msgspec

from webhook.admission.decision import answer, decide
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.review import parse
from webhook.admission.settings import Settings
from webhook.errors import ReviewError, SettingsError, WebhookError

_TIMEOUT: Final = 30.0

_decode_patch: Final = msgspec.json.Decoder(list[dict[str, Any]]).decode
# Beside its own errors, jsonpatch lets through what members of a wrong type raise.
_NOT_APPLICABLE: Final = (
    jsonpatch.JsonPatchException,
    jsonpatch.JsonPointerException,
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
)

# (namespace, name) to the ServiceAccount, or None where there is none.
FindAccount: TypeAlias = Callable[[str, str], ServiceAccount | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one review.

    `error` is set where there is no AdmissionReview, or one that the API server could not use: what happened, with the
    HTTP status where there was one. `after` is the pod as the patch leaves it; None where there is no pod.
    """

    review: dict[str, Any] = field(default_factory=dict)
    patch: list[dict[str, Any]] = field(default_factory=list)
    allowed: bool = False
    reason: str = ""
    message: str = ""
    warnings: list[str] = field(default_factory=list)
    error: str = ""
    after: dict[str, Any] | None = None


def answer_here(body: bytes, find_account: FindAccount, sources: Sources, settings: Settings) -> Answer:
    """The answer that the webhook's code gives, with its reason."""
    try:
        review = parse(body)
    except ReviewError as error:
        return Answer(error=f"HTTP 400: {error}")
    account = find_account(review.namespace, review.service_account) if review.pod is not None else None
    decision = decide(review, account, sources, settings)
    return _read(answer(review, decision), decision.reason, decision.why)


@contextlib.contextmanager
def webhook_at(url: str, ca: str) -> Iterator[Callable[[bytes], Answer]]:
    """Asks the webhook at `url`, whose certificate the CA certificates in the file `ca` verify (empty: the system's).

    Raises SettingsError where the file or the URL will not do, and WebhookError where nothing answers.
    """
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except ssl.SSLError as error:
        raise SettingsError([f"--ca: {ca!r}: no certificate (PEM) can be read from it"]) from error
    except OSError as error:
        raise SettingsError([f"--ca: {ca!r}: {error.strerror or error}"]) from error

    with httpx.Client(verify=context, timeout=_TIMEOUT, trust_env=False) as client:

        def ask(body: bytes) -> Answer:
            try:
                response = client.post(url, content=body, headers={"content-type": "application/json"})
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
                raise WebhookError(f"{url}: {error or type(error).__name__}{_hint(error, ca)}") from error
            if response.status_code != 200:
                hint = " (the webhook's path is /mutate)" if response.status_code == 404 else ""
                return Answer(error=f"HTTP {response.status_code}: {response.text.strip()[:500]}{hint}")
            return _read(response.content, "", "")

        yield ask


def applied(answer: Answer, pod: dict[str, Any] | None) -> Answer:
    """`answer` with `after`, which its patch makes of `pod`; an error where it does not apply, as at the API server."""
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


def _hint(error: Exception, ca: str) -> str:
    """What may be wrong, in brackets, where OpenSSL and the system do not say it in the user's terms."""
    said = str(error)
    if "mismatch" in said:
        return " (is it called by a name that is in its certificate?)"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return f" (is {ca} the CA of that webhook?)" if ca else " (--ca names the CA that verifies it)"
    if "WRONG_VERSION_NUMBER" in said:
        return " (what answers there does not speak HTTPS: is it the metrics port?)"
    return ""


def _read(body: bytes, reason: str, why: str) -> Answer:
    """An AdmissionReview's response, which may come from any webhook."""
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
        return Answer(error=f"the answer is no AdmissionReview with a response ({error})")
