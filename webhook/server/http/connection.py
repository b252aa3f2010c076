"""Answers the requests of one connection in order, and bounds every wait and every buffer.

The connection answers a request once it is complete. Hot path: the handler for the request's path answers without
waiting. The application answers requests that have no handler. While it waits for one answer, later requests queue.

Phases: a connection is *unused* until its first request, *reading* while it receives one, *answering* while it has
requests to answer, *idle* between requests, and *closing* after the last answer until the client closes its side.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import deque
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from webhook.server.http.answer import HttpAnswer, Request
from webhook.server.http.exchange import ask
from webhook.server.http.handshakes import TOOK_TOO_LONG, failure_of
from webhook.server.http.request_reader import Refusal, RequestReader
from webhook.server.http.tls_session import TlsSession

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from webhook.server.http.shared import Shared

Phase: TypeAlias = Literal["unused", "idle", "reading", "answering", "closing"]

# How many requests may queue behind the one that we answer. The API server, kubelet and Prometheus do not pipeline.
PIPELINED_REQUESTS: Final = 8

_TEXT: Final = ((b"content-type", b"text/plain; charset=utf-8"),)
_STATUS_LINES: Final = {code.value: f"HTTP/1.1 {code.value} {code.phrase}\r\n".encode() for code in HTTPStatus}
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_NO_MEMORY: Final = b"too many bodies are under way, and this one made no progress\n"
_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux

logger = logging.getLogger(__name__)


@lru_cache(maxsize=256)
def _head(headers: tuple[tuple[bytes, bytes], ...], length: int, *, closes: bool) -> bytes:
    """Returns the part of an answer's head that follows the Date header."""
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%b%bcontent-length: %d\r\n\r\n" % (lines, b"connection: close\r\n" if closes else b"", length)


class HttpConnection(asyncio.Protocol):
    """One connection. `shared` is common to the listener's connections; we use `conn` only to peek and to set options.

    `peer` is the client's socket address; `held` counts the bytes of request bodies that are not answered yet.
    """

    def __init__(self, shared: Shared, conn: socket.socket, peer: Any) -> None:
        self.shared = shared
        self.held = 0
        self._conn, self._peer = conn, peer
        self._tls = TlsSession(shared.tls) if shared.tls is not None else None
        self._reader = RequestReader(shared.limits, self._take_request, self._take_refusal)
        self._transport: asyncio.Transport | None = None
        self._is_used = self._is_write_paused = False
        # The loop's time when the current phase began, unless that is reading or answering.
        self._since = shared.loop.time()
        self._waiting: deque[Request | HttpAnswer] = deque()
        self._answering_size: int | None = None
        # The last answer; `flush` sends it after the whole batch of this turn is handled.
        self._kept = b""

    @property
    def phase(self) -> Phase:
        """What the connection is doing."""
        if self._answering_size is not None or self._waiting:
            return "answering"
        if not self._reader.is_open:
            return "closing"
        if self._reader.is_receiving:
            return "reading"
        return "idle" if self._is_used else "unused"

    # The transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Limits unacknowledged data, and waits for the handshake or the first request."""
        self._transport = transport  # type: ignore[assignment]  # TCP's transport is an asyncio.Transport
        if _USER_TIMEOUT is not None:
            # The kernel ends the connection if the client acknowledges nothing for this time (RFC 5482, tcp(7)).
            timeout = int(self.shared.limits.stall_timeout * 1000)
            self._conn.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, timeout)
        if not self._reader.is_open:
            # Occupancy has already closed this connection.
            self._abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the transport's signature
        """Drops queued requests. An answer in progress still completes, so that the metrics count it."""
        if self._tls is not None and self._tls.handshake_failure:
            self.shared.handshakes.note_failure(self._tls.handshake_failure, self._peer, self.shared.loop.time())
        self._transport = None
        self._waiting.clear()
        self._reader.close()
        self._note_memory()
        self.shared.occupancy.leave(self)

    def pause_writing(self) -> None:
        """Pauses answering, because the client does not read."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """Resumes answering."""
        self._is_write_paused = False
        self._answer_waiting()
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Adds the data to the batch, which is handled at the end of the loop's turn."""
        self.shared.batch.add(self, data)

    def eof_received(self) -> None:
        """Handles the data that came before the end; the transport then closes."""
        self.shared.batch.handle()

    # The batch's calls

    def handle(self, data: bytes) -> None:
        """Decrypts and parses the data, and answers complete requests. Keeps the last answer for `flush`."""
        if not self._reader.is_open or self._transport is None:
            return
        try:
            if self._tls is not None:
                data = self._decrypt(self._tls, data)
            if data:
                self._reader.feed(data)
            if self._tls is not None and self._tls.has_ended:
                self._end()
            elif self.held or self._reader.is_receiving or self._waiting or self._answering_size is not None:
                self._ask_to_continue()
                self._note_memory()
        except Exception:
            # A bug here must not affect the other connections of the batch.
            logger.exception("a connection ends: a bug in the webhook")
            self._abort()

    def flush(self) -> None:
        """Sends the kept answer."""
        if self._kept:
            kept, self._kept = self._kept, b""
            self._send(kept if self._tls is None else self._tls.send(kept))

    def _decrypt(self, tls: TlsSession, data: bytes) -> bytes:
        was_established = tls.is_established
        try:
            plaintext = tls.receive(data)
        except ssl.SSLError as error:
            if self.phase == "unused":
                # With TLS 1.3, the client may send its alert after we have finished our side.
                tls.handshake_failure = failure_of(error)
            self._reader.stop()
            self._send(tls.pending)
            self._close()
            return b""
        if pending := tls.pending:
            self._send(pending)
        if tls.is_established and not was_established:
            self._since = self.shared.loop.time()
        return plaintext

    # The reader's calls

    def _take_request(self, request: Request) -> None:
        """Answers a complete request, or queues it; ignores further input if the queue is full."""
        if self._answering_size is None and not self._waiting and not self._is_write_paused:
            self._answer(request)
        elif len(self._waiting) < PIPELINED_REQUESTS:
            self._waiting.append(request)
        else:
            self._reader.stop()

    def _take_refusal(self, refusal: Refusal) -> None:
        """Queues the refusal of a request behind the pending answers."""
        logger.debug("refused a request from %s: %d %s", self._peer, refusal.code, refusal.reason.decode().strip())
        self.shared.refused(refusal)
        self._waiting.append(HttpAnswer(refusal.code, _TEXT, refusal.reason, closes=True))
        self._answer_waiting()

    # Answers

    def _answer_waiting(self) -> None:
        """Answers queued requests until one of them needs to wait."""
        while self._waiting and self._answering_size is None and not self._is_write_paused:
            one = self._waiting.popleft()
            if isinstance(one, HttpAnswer):
                self._respond(one, "GET", keeps_alive=False)
            else:
                self._answer(one)
        self._ask_to_continue()
        self._note_memory()

    def _answer(self, request: Request) -> None:
        # Flush first, so that we keep only one answer: the transport then tells us if the client does not read.
        self.flush()
        if self._is_write_paused:
            self._waiting.appendleft(request)
            return
        handler = self.shared.handlers.get(request.path)
        answer: HttpAnswer | Coroutine[Any, Any, HttpAnswer]
        answer = handler(request) if handler is not None else ask(self.shared.application, request, self.shared.scheme)
        if isinstance(answer, HttpAnswer):
            self._respond(answer, request.method, keeps_alive=request.keeps_alive)
        else:
            self._answering_size = len(request.body)
            self.shared.run(self._await(answer, request.method, keeps_alive=request.keeps_alive))

    async def _await(self, coming: Coroutine[Any, Any, HttpAnswer], method: str, *, keeps_alive: bool) -> None:
        answer = await coming
        self._answering_size = None
        if self._transport is None:
            self._note_memory()
            return
        self._respond(answer, method, keeps_alive=keeps_alive)
        self._answer_waiting()
        self.flush()

    def _respond(self, answer: HttpAnswer, method: str, *, keeps_alive: bool) -> None:
        is_last = not self._reader.is_open and not self._waiting
        closes = answer.closes or not keeps_alive or is_last or self.shared.is_draining
        head = _head(answer.headers, len(answer.body), closes=closes)
        content = answer.body if method != "HEAD" else b""
        self._kept += b"%b%b%b%b" % (_STATUS_LINES[answer.code], self.shared.date_line, head, content)
        self._is_used = True
        self._since = self.shared.loop.time()
        if closes:
            self._waiting.clear()
            # If we close a socket with unread input, the kernel sends a reset, and the client may lose the answer.
            leaves_input = answer.closes or not self._reader.is_open or self._reader.is_receiving
            self._reader.stop()
            self._linger() if leaves_input else self._end()

    def _ask_to_continue(self) -> None:
        """Sends `100 Continue` if the client waits for it and no answer is pending (RFC 9110, 10.1.1)."""
        if self._reader.awaits_continue and self._answering_size is None and not self._waiting:
            self._reader.awaits_continue = False
            self._kept += _CONTINUE

    # Ends

    def _linger(self) -> None:
        """Sends the kept answer, closes our side, and waits for the client to close its own."""
        self.flush()
        if self._transport is not None and not self._transport.is_closing():
            self._send(self._tls.close() if self._tls is not None else b"")
            self._transport.write_eof()

    def _end(self) -> None:
        """Sends the kept answer and closes the connection."""
        self._reader.stop()
        self._since = self.shared.loop.time()
        self.flush()
        if self._tls is not None and self._tls.is_established:
            self._send(self._tls.close())
        self._close()

    def _send(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # The listener's calls

    def enforce_deadline(self, now: float) -> None:
        """Closes the connection if its client has exceeded a timeout. `now` is the loop's time."""
        self.shared.batch.handle()
        limits, phase = self.shared.limits, self.phase
        if phase == "answering":
            return
        if phase == "closing":
            if now - self._since > limits.stall_timeout:
                self._abort()
        elif phase == "reading":
            if now - self._reader.started_at > limits.request_timeout:
                self._end()
        elif self._tls is not None and not self._tls.is_established:
            if now - self._since > limits.handshake_timeout:
                self._tls.handshake_failure = TOOK_TOO_LONG
                self._abort()
        elif now - self._since > (limits.idle_timeout if phase == "idle" else limits.request_timeout):
            self._close_unless_request_waits()

    def close_if_idle(self, now: float) -> None:
        """Closes the connection during a stop, unless a request is in progress or about to come."""
        self.shared.batch.handle()
        is_new = self.phase == "unused" and now - self._since < self.shared.limits.settle_time
        if self.phase in {"idle", "unused", "closing"} and not is_new:
            self._close_unless_request_waits()

    def abort(self) -> None:
        """Ends the connection without waiting."""
        self._abort()

    def _close_unless_request_waits(self) -> bool:
        if self._reader.is_open:
            try:
                waiting = self._conn.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except OSError:
                waiting = b""
            # The loop reads this request next. If we closed now, the client would get a reset instead of an answer.
            if waiting:
                return False
        self._end()
        return True

    # The occupancy's calls

    @property
    def quiet_since(self) -> float:
        """The loop's time when the client last made progress."""
        return self._reader.progressed_at if self._reader.is_receiving else self._since

    @property
    def body_size(self) -> int:
        """The received bytes of an incomplete body."""
        return self._reader.body_size

    def give_way(self) -> bool:
        """Closes the connection to make room, unless a request is about to come. Returns whether it closed."""
        self.shared.batch.handle()
        if self.phase in {"idle", "unused"}:
            return self._close_unless_request_waits()
        self._abort()
        return True

    def refuse_body(self) -> None:
        """Refuses the request whose body is incomplete, and frees its memory."""
        self._reader.refuse(503, _NO_MEMORY)

    def _note_memory(self) -> None:
        waiting = sum(len(one.body) for one in self._waiting if isinstance(one, Request))
        self.shared.occupancy.hold(self, self._reader.body_size + waiting + (self._answering_size or 0))
