"""Answers HTTP requests to `/mutate` and `/mutate/require`.

Hot path: the listener calls `answer` for each complete request. `MutateEndpoint` is also an ASGI application, for other
servers and for requests that spell the path differently (percent-encoded).
"""

import logging
from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from webhook.admission.container_credentials import ContainerCredentials
from webhook.admission.decision import answer as answer_to
from webhook.admission.decision import decide, needs_account
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.review import Review, parse
from webhook.admission.settings import Settings
from webhook.cluster.store import ServiceAccountStore
from webhook.errors import LookupFailed, ReviewError
from webhook.server.decision_log import fields_of, log_decision, logs_quiet_decisions
from webhook.server.http.answer import Headers, HttpAnswer, Request
from webhook.server.http.limits import Limits
from webhook.server.logs import FIELDS
from webhook.server.metrics.requests import Metrics

PATH: Final = "/mutate"
REQUIRE_PATH: Final = "/mutate/require"
"""For namespaces with the label that forbids pods to run without their role."""

MAX_BODY: Final = Limits().body_bytes

_JSON: Final = ((b"content-type", b"application/json"),)
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")

logger = logging.getLogger(__name__)


class _HttpError(Exception):
    """An invalid HTTP request: the status to answer, and the reason in one line."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class MutateEndpoint:
    """Answers the AdmissionReviews for `path`, with the ServiceAccounts and mappings of `store`.

    It calls `container_credentials` for each review, because the file may have changed. `log_injections` is the flag of
    that name.
    """

    def __init__(
        self,
        store: ServiceAccountStore,
        container_credentials: Callable[[], ContainerCredentials],
        settings: Settings,
        metrics: Metrics,
        path: str = PATH,
        *,
        log_injections: bool = False,
    ) -> None:
        self.path = path
        self._namespace_requires = path == REQUIRE_PATH
        self._store = store
        self._container_credentials = container_credentials
        self._settings = settings
        self._metrics = metrics
        self._log_injections = log_injections
        # Hot path: the level does not change while the endpoint lives.
        self._logs_quiet_decisions = logs_quiet_decisions(injections=log_injections)

    def answer(self, request: Request) -> HttpAnswer | Coroutine[Any, Any, HttpAnswer]:
        """Returns the answer, or a coroutine that returns it after a live read of the ServiceAccount. Never raises."""
        return self._answer(request.method, request.headers, request.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request (ASGI 3)."""
        started = perf_counter()
        try:
            body = await _read(receive)
        except _HttpError as error:
            answer = _failure(error)
            self._metrics.answered(self.path, scope["method"], answer.code, perf_counter() - started)
        else:
            coming = self._answer(scope["method"], scope["headers"], body)
            answer = coming if isinstance(coming, HttpAnswer) else await coming
        headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
        if answer.closes:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.code, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _answer(self, method: str, headers: Headers, body: bytes) -> HttpAnswer | Coroutine[Any, Any, HttpAnswer]:
        started = perf_counter()
        try:
            _check_head(method, headers)
            review = parse(body)
            account = None
            if needs_account(review, self._settings, namespace_requires=self._namespace_requires):
                account = self._store.get(review.namespace, review.service_account)
                if account is None:
                    return self._answer_after_lookup(method, review, started)
                self._metrics.found_in_cache()
            answer = HttpAnswer(200, _JSON, self._decided(review, account, started))
        except Exception as error:  # noqa: BLE001 - each becomes an answer
            answer = _failure(error)
        self._metrics.answered(self.path, method, answer.code, perf_counter() - started)
        return answer

    async def _answer_after_lookup(self, method: str, review: Review, started: float) -> HttpAnswer:
        try:
            answer = HttpAnswer(200, _JSON, self._decided(review, await self._look_up(review), started))
        except Exception as error:  # noqa: BLE001 - each becomes an answer
            answer = _failure(error, review)
        self._metrics.answered(self.path, method, answer.code, perf_counter() - started)
        return answer

    def _decided(self, review: Review, account: ServiceAccount | None, started: float) -> bytes:
        sources = Sources(self._store.mapping, self._container_credentials())
        decision = decide(review, account, sources, self._settings, namespace_requires=self._namespace_requires)
        self._metrics.decided(decision)
        if decision.denied or decision.warnings or self._logs_quiet_decisions:
            log_decision(review, decision, started, injections=self._log_injections)
        return answer_to(review, decision)

    async def _look_up(self, review: Review) -> ServiceAccount | None:
        started = perf_counter()
        result = "failed"
        try:
            account = await self._store.lookup(review.namespace, review.service_account)
            result = "found" if account is not None else "not_found"
        finally:
            self._metrics.looked_up(result, perf_counter() - started)
        return account


def _failure(error: Exception, review: Review | None = None) -> HttpAnswer:
    """Returns the answer that explains `error` in one line. `review` is what it is about, if we know that."""
    if isinstance(error, _HttpError):
        headers = (_TEXT, (b"allow", b"POST")) if error.code == 405 else (_TEXT,)
        # Close the connection: we would take the rest of a body that is too large for the next request.
        return HttpAnswer(error.code, headers, f"{error}\n".encode(), closes=error.code == 413)
    if isinstance(error, ReviewError):
        return HttpAnswer(400, (_TEXT,), f"{error}\n".encode())
    extra = {FIELDS: fields_of(review) if review is not None else {}}
    if isinstance(error, LookupFailed):
        logger.error("cannot answer a review: %s", error, extra=extra)
        return HttpAnswer(500, (_TEXT,), f"{error}\n".encode())
    logger.error("cannot answer a review: a bug in the webhook", exc_info=error, extra=extra)
    return HttpAnswer(500, (_TEXT,), b"a bug in the webhook: its log says more\n")


async def _read(receive: Receive) -> bytes:
    """Reads the whole body. Raises _HttpError if it is too large or incomplete."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _HttpError(400, "the connection ended before the body did")
        body += message["body"]
        if len(body) > MAX_BODY:
            raise _HttpError(413, f"the body is larger than {MAX_BODY} bytes")
        if not message["more_body"]:
            return bytes(body)


def _check_head(method: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Refuses a request that cannot be a review. Raises _HttpError."""
    if method != "POST":
        raise _HttpError(405, f"{method} is not allowed here: POST an AdmissionReview")
    if _JSON[0] not in headers:
        content_type = next((value for name, value in headers if name == b"content-type"), b"")
        media_type = content_type.partition(b";")[0].strip().lower()
        if media_type != b"application/json":
            shown = media_type.decode("ascii", "backslashreplace")[:100]
            raise _HttpError(415, f"Content-Type is {shown!r}: expected application/json")
