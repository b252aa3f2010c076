"""The answer to a replayed review, from the webhook's code in this process or from a running webhook."""

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
    status if there is one. `after` is the patched pod; None if the review has no pod.
    """

    review: dict[str, Any] = field(default_factory=dict)
    patch: list[dict[str, Any]] = field(default_factory=list)
    allowed: bool = False
    reason: str = ""
    message: str = ""
    warnings: list[str] = field(default_factory=list)
    error: str = ""
    after: dict[str, Any] | None = None


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
    return _read(answer(review, decision), decision.reason, decision.why)


@dataclass(frozen=True, slots=True)
class Trust:
    """What verifies a webhook's certificate: the CA certificates in the file `ca`, in `bundle` (PEM), or the system's.

    The certificate must be valid for `server_name`; if that is empty, for the host of the URL. `bundle_of` names the
    object that `bundle` comes from.
    """

    ca: str = ""
    bundle: str = ""
    bundle_of: str = ""
    server_name: str = ""

    @property
    def source(self) -> str:
        """Where the CA certificates come from, or "" for the system's."""
        return self.bundle_of or self.ca


@contextlib.contextmanager
def webhook_at(url: str, trust: Trust) -> Iterator[Callable[[bytes], Answer]]:
    """Yields a function that asks the webhook at `url`.

    Raises SettingsError if the file with the CA certificates is not usable. The function raises WebhookError if there
    is no answer.
    """
    ca = trust.ca
    try:
        context = ssl.create_default_context(cafile=ca or None, cadata=trust.bundle or None)
    except ssl.SSLError as error:
        raise SettingsError([f"--ca: {ca!r}: holds no certificate in PEM"]) from error
    except OSError as error:
        raise SettingsError([f"--ca: {ca!r}: {error.strerror or error}"]) from error
    # httpcore passes this name to the TLS handshake instead of the URL's host, so it is also the name that is verified.
    extensions = {"sni_hostname": trust.server_name} if trust.server_name else {}

    with httpx.Client(verify=context, timeout=_TIMEOUT, trust_env=False) as client:

        def ask(body: bytes) -> Answer:
            try:
                headers = {"content-type": "application/json"}
                response = client.post(url, content=body, headers=headers, extensions=extensions)
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
                raise WebhookError(f"{url}: {error or type(error).__name__}{_hint(error, trust)}") from error
            if response.status_code != 200:
                hint = " (the webhook's path is /mutate)" if response.status_code == 404 else ""
                return Answer(error=f"HTTP {response.status_code}: {response.text.strip()[:500]}{hint}")
            return _read(response.content, "", "")

        yield ask


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


def _hint(error: Exception, trust: Trust) -> str:
    """Returns a hint in brackets for errors of OpenSSL that a user may not understand, or ""."""
    said = str(error)
    if "mismatch" in said:
        what = "--server-name" if trust.server_name else "the host of --url"
        return f" (is {what} one of the names in its certificate?)"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        source = trust.source
        return f" (is {source} the CA of that webhook?)" if source else " (set --ca to the CA that verifies it)"
    if "WRONG_VERSION_NUMBER" in said:
        return " (the server does not speak HTTPS: is it the metrics port?)"
    return ""


def _read(body: bytes, reason: str, why: str) -> Answer:
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
