"""`/mutate` as a plain ASGI application: the hot path pays for no routing, dependency or model that it does not use."""

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from webhook.admission.container_credentials import ContainerCredentials
from webhook.admission.decision import Decision, answer, decide, needs_account
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.review import Review, parse
from webhook.admission.settings import Settings
from webhook.admission.warning import quoted
from webhook.cluster.store import ServiceAccountStore
from webhook.errors import LookupFailed, ReviewError
from webhook.server.metrics import Metrics

# Etcd takes objects of 1.5 MiB; a review holds one, escaped, with what surrounds it.
MAX_BODY: Final = 7 * 1024 * 1024
# A body beyond this is rare: few at a time are taken into memory, the others wait in their sockets.
_LARGE_BODY: Final = 64 * 1024
_LARGE_BODIES_AT_ONCE: Final = 16

_JSON: Final = (b"content-type", b"application/json")
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request (ASGI 3)."""
        started = perf_counter()
        method = scope["method"]
        headers = [_JSON]
        try:
            _check_head(method, scope["headers"])
            body = await self._answer(await self._read(receive))
            code = 200
        except _HttpError as error:
            code, body, headers = error.code, f"{error}\n".encode(), [_TEXT]
            if code == 405:
                headers.append((b"allow", b"POST"))
            elif code == 413:
                # What is left of the body would be taken for the next request.
                headers.append((b"connection", b"close"))
        except ReviewError as error:
            code, body, headers = 400, f"{error}\n".encode(), [_TEXT]
        except LookupFailed as error:
            logger.error("no answer to a review: %s", error)  # noqa: TRY400 - the line says all
            code, body, headers = 500, f"{error}\n".encode(), [_TEXT]
        except Exception:
            logger.exception("no answer to a review: a bug in the webhook")
            code, body, headers = 500, b"a bug in the webhook: its log says more\n", [_TEXT]
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": code, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._metrics.answered(method, code, perf_counter() - started)

    async def _answer(self, body: bytes) -> bytes:
        review = parse(body)
        account = await self._account(review) if needs_account(review, self._settings) else None
        sources = Sources(self._store.mapping, self._container_credentials())
        decision = decide(review, account, sources, self._settings)
        self._metrics.decided(decision)
        if decision.denied or decision.warnings or logger.isEnabledFor(logging.DEBUG):
            _log(review, decision)
        return answer(review, decision)

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

    async def _read(self, receive: Receive) -> bytes:
        """The body, bounded in size; the listener bounds the time that it takes."""
        message = await receive()
        if message["type"] == "http.request" and not message["more_body"]:
            body: bytes = message["body"]
            return body
        received = bytearray()
        while _take(message, received) and len(received) <= _LARGE_BODY:
            message = await receive()
        if message.get("more_body"):
            async with self._large_bodies:
                while _take(await receive(), received):
                    pass
        return bytes(received)


def _take(message: Message, received: bytearray) -> bool:
    """Adds a part of the body to what was received; whether more is to come."""
    if message["type"] == "http.disconnect":
        raise _HttpError(400, "the connection ended before the body did")
    received += message["body"]
    if len(received) > MAX_BODY:
        raise _too_large()
    more_body: bool = message["more_body"]
    return more_body


def _too_large() -> _HttpError:
    return _HttpError(413, f"the body is larger than {MAX_BODY} bytes")


def _check_head(method: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Refuses what cannot be a review before its body is read."""
    if method != "POST":
        raise _HttpError(405, f"{method} is not allowed here: POST an AdmissionReview")
    content_type, length = b"", 0
    for name, value in headers:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length":
            length = int(value)
    if content_type != b"application/json":
        media_type = content_type.partition(b";")[0].strip().lower()
        if media_type != b"application/json":
            shown = media_type.decode("ascii", "backslashreplace")[:100]
            raise _HttpError(415, f"Content-Type is {shown!r}: expected application/json")
    if length > MAX_BODY:
        raise _too_large()


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
