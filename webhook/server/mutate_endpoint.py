"""`/mutate` as a plain ASGI application: the hot path pays for no routing, dependency or model that it does not use."""

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from webhook.admission.container_credentials import ContainerCredentials
from webhook.admission.decision import Decision, decide, needs_account
from webhook.admission.decision import answer as answer_to
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.review import Review, parse
from webhook.admission.settings import Settings
from webhook.admission.warning import quoted
from webhook.cluster.store import ServiceAccountStore
from webhook.errors import LookupFailed, ReviewError
from webhook.server.http_answer import HttpAnswer
from webhook.server.metrics import Metrics

PATH: Final = "/mutate"

# Etcd takes objects of 1.5 MiB; a review holds one, escaped, with what surrounds it.
MAX_BODY: Final = 7 * 1024 * 1024
# A body beyond this is rare: few at a time are taken into memory, the others wait in their sockets.
_LARGE_BODY: Final = 64 * 1024
_LARGE_BODIES_AT_ONCE: Final = 8
_LARGE_BODY_TIMEOUT: Final = 1.0

_JSON: Final = ((b"content-type", b"application/json"),)
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")

logger = logging.getLogger(__name__)


class _HttpError(Exception):
    """A wrong HTTP call: its status, and the reason in one line."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class MutateEndpoint:
    """Answers AdmissionReviews from what the store knows.

    `container_credentials` is asked at each review: the file may have changed.
    """

    def __init__(
        self,
        store: ServiceAccountStore,
        container_credentials: Callable[[], ContainerCredentials],
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._container_credentials = container_credentials
        self._settings = settings
        self._metrics = metrics
        self._large_bodies = asyncio.Semaphore(_LARGE_BODIES_AT_ONCE)

    def answer_at_once(self, scope: Scope, body: bytes) -> HttpAnswer | None:
        """The answer to a request whose body is there; None where it has to wait for a live read, or is not for us."""
        if scope["path"] != PATH:
            return None
        started = perf_counter()
        try:
            _check_head(scope["method"], scope["headers"])
            _check_size(len(body))
            review = parse(body)
            account = None
            if needs_account(review, self._settings):
                account = self._store.get(review.namespace, review.service_account)
                if account is None:
                    return None
                self._metrics.found_in_cache()
            answer = HttpAnswer(200, _JSON, self._decided(review, account))
        except Exception as error:  # noqa: BLE001 - each becomes an answer
            answer = _failure(error)
        self._metrics.answered(scope["method"], answer.code, perf_counter() - started)
        return answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request, waiting for its body and for a live read (ASGI 3)."""
        started = perf_counter()
        try:
            _check_head(scope["method"], scope["headers"])
            review = parse(await self._read(scope, receive))
            account = await self._account(review) if needs_account(review, self._settings) else None
            answer = HttpAnswer(200, _JSON, self._decided(review, account))
        except Exception as error:  # noqa: BLE001 - each becomes an answer
            answer = _failure(error)
        headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
        if answer.closes:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.code, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})
        self._metrics.answered(scope["method"], answer.code, perf_counter() - started)

    def _decided(self, review: Review, account: ServiceAccount | None) -> bytes:
        sources = Sources(self._store.mapping, self._container_credentials())
        decision = decide(review, account, sources, self._settings)
        self._metrics.decided(decision)
        if decision.denied or decision.warnings or logger.isEnabledFor(logging.DEBUG):
            _log(review, decision)
        return answer_to(review, decision)

    async def _account(self, review: Review) -> ServiceAccount | None:
        account = self._store.get(review.namespace, review.service_account)
        if account is not None:
            self._metrics.found_in_cache()
            return account
        started = perf_counter()
        result = "failed"
        try:
            account = await self._store.lookup(review.namespace, review.service_account)
            result = "found" if account is not None else "not_found"
        finally:
            self._metrics.looked_up(result, perf_counter() - started)
        return account

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """The body, bounded in size; the listener bounds the time that it takes."""
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        # Python takes no number of thousands of digits, even where they are zeros.
        _check_size(int(length.lstrip(b"0") or b"0"))
        message = await receive()
        if message["type"] == "http.request" and not message["more_body"]:
            body: bytes = message["body"]
            return body
        received = bytearray()
        while _take(message, received) and len(received) <= _LARGE_BODY:
            message = await receive()
        if message.get("more_body"):
            async with self._large_bodies:
                await _take_rest(receive, received)
        return bytes(received)


def _failure(error: Exception) -> HttpAnswer:
    """The answer that says what went wrong, in a line."""
    if isinstance(error, _HttpError):
        headers = (_TEXT, (b"allow", b"POST")) if error.code == 405 else (_TEXT,)
        # What is left of a body that is too large would be taken for the next request.
        return HttpAnswer(error.code, headers, f"{error}\n".encode(), closes=error.code in {408, 413})
    if isinstance(error, ReviewError):
        return HttpAnswer(400, (_TEXT,), f"{error}\n".encode())
    if isinstance(error, LookupFailed):
        logger.error("no answer to a review: %s", error)
        return HttpAnswer(500, (_TEXT,), f"{error}\n".encode())
    logger.error("no answer to a review: a bug in the webhook", exc_info=error)
    return HttpAnswer(500, (_TEXT,), b"a bug in the webhook: its log says more\n")


def _take(message: Message, received: bytearray) -> bool:
    """Adds a part of the body to what was received; whether more is to come."""
    if message["type"] == "http.disconnect":
        raise _HttpError(400, "the connection ended before the body did")
    received += message["body"]
    _check_size(len(received))
    more_body: bool = message["more_body"]
    return more_body


async def _take_rest(receive: Receive, received: bytearray) -> None:
    """The rest of a large body, which has to come at once: others wait for its place."""
    try:
        async with asyncio.timeout(_LARGE_BODY_TIMEOUT):
            while _take(await receive(), received):
                pass
    except TimeoutError as error:
        raise _HttpError(408, f"the body did not come within {_LARGE_BODY_TIMEOUT:g} s") from error


def _check_size(size: int) -> None:
    if size > MAX_BODY:
        raise _HttpError(413, f"the body is larger than {MAX_BODY} bytes")


def _check_head(method: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Refuses what cannot be a review before its body is read."""
    if method != "POST":
        raise _HttpError(405, f"{method} is not allowed here: POST an AdmissionReview")
    if _JSON[0] not in headers:
        content_type = next((value for name, value in headers if name == b"content-type"), b"")
        media_type = content_type.partition(b";")[0].strip().lower()
        if media_type != b"application/json":
            shown = media_type.decode("ascii", "backslashreplace")[:100]
            raise _HttpError(415, f"Content-Type is {shown!r}: expected application/json")


def _log(review: Review, decision: Decision) -> None:
    level = logging.WARNING if decision.denied else logging.INFO if decision.warnings else logging.DEBUG
    pod = review.pod.meta if review.pod is not None else None
    name = (pod.name or pod.generateName or "") if pod is not None else ""
    logger.log(
        level,
        "%s: pod %s in namespace %s of ServiceAccount %s, %d operations%s%s",
        decision.reason,
        quoted(name),
        review.namespace or "?",
        review.service_account or "?",
        len(decision.operations),
        f", denied: {decision.denied}" if decision.denied else "",
        f", warnings: {decision.warnings}" if decision.warnings else "",
    )
