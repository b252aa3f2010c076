"""Passes one request to an ASGI application and returns its answer (ASGI 3: https://asgi.readthedocs.io)."""

import asyncio
import logging
from typing import Any, Final
from urllib.parse import unquote

from starlette.types import ASGIApp, Message

from webhook.server.http.answer import HttpAnswer, Request

_FAILED: Final = HttpAnswer(500, ((b"content-type", b"text/plain; charset=utf-8"),), b"Internal Server Error")
# The listener writes these itself.
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection", b"date"})

logger = logging.getLogger(__name__)


async def ask(application: ASGIApp, request: Request, scheme: str) -> HttpAnswer:
    """Returns the answer of `application`, or 500 if it fails or sends no answer; the log then has the reason."""
    exchange = _Exchange(request)
    try:
        await application(_scope(request, scheme), exchange.receive, exchange.send)
    except Exception:
        logger.exception("no answer to a request: a bug in the webhook")
        return _FAILED
    return exchange.answer()


def _scope(request: Request, scheme: str) -> dict[str, Any]:
    path = request.path.decode("ascii")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.version,
        "method": request.method,
        "scheme": scheme,
        "path": unquote(path) if "%" in path else path,
        "raw_path": request.path,
        "query_string": request.query,
        "root_path": "",
        "headers": request.headers,
        "client": None,
        "server": None,
    }


class _Exchange:
    """The `receive` and `send` of an ASGI application, for a complete request and a complete answer."""

    def __init__(self, request: Request) -> None:
        self._body: bytes | None = request.body
        self._start: Message = {}
        self._parts: list[bytes] = []
        self._is_whole = False

    async def receive(self) -> Message:
        """Returns the body once; later calls wait, or return a disconnect if the answer is complete."""
        if self._body is None:
            if not self._is_whole:
                await asyncio.get_running_loop().create_future()
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        """Collects the start and the body of the answer."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._parts.append(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)

    def answer(self) -> HttpAnswer:
        if not self._start or not self._is_whole:
            logger.error("no answer to a request: the application ended without one")
            return _FAILED
        named = [(name.lower(), value) for name, value in self._start.get("headers", ())]
        closes = any(name == b"connection" and value.lower() == b"close" for name, value in named)
        headers = tuple(header for header in named if header[0] not in _FRAMING)
        return HttpAnswer(self._start["status"], headers, b"".join(self._parts), closes)
