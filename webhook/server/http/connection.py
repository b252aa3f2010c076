"""One connection: answers the requests that come on it, in order, every wait and every buffer bounded.

A request is answered once it has come whole. Its path may have a handler, which can answer it at once: the hot path.
The application answers any other. While one answer is awaited, the requests behind it wait in line.

Phases: a connection is *unused* until its first request, *reading* while one arrives, *answering* while an answer is
due, *idle* in between, and *closing* once nothing is due any more and it waits for the client to end its side.
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

# So many may wait behind the one being answered. The API server, kubelet and Prometheus send none.
PIPELINED_REQUESTS: Final = 8

_TEXT: Final = ((b"content-type", b"text/plain; charset=utf-8"),)
_STATUS_LINES: Final = {code.value: f"HTTP/1.1 {code.value} {code.phrase}\r\n".encode() for code in HTTPStatus}
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_NO_MEMORY: Final = b"too many bodies are under way, and this one made no progress\n"
_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux

logger = logging.getLogger(__name__)


@lru_cache(maxsize=256)
def _head(headers: tuple[tuple[bytes, bytes], ...], length: int, *, closes: bool) -> bytes:
    """An answer's head behind its Date."""
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%b%bcontent-length: %d\r\n\r\n" % (lines, b"connection: close\r\n" if closes else b"", length)


class HttpConnection(asyncio.Protocol):
    """One connection; `shared` is what the listener's connections have in common, `conn` is only peeked at here.

    `peer` is the client's socket address; `held` is the memory in bytes of the bodies that are not answered yet.
    """

    def __init__(self, shared: Shared, conn: socket.socket, peer: Any) -> None:
        self.shared = shared
        self.held = 0
        self._conn, self._peer = conn, peer
        self._tls = TlsSession(shared.tls) if shared.tls is not None else None
        self._reader = RequestReader(shared.limits, self._take_request, self._take_refusal)
        self._transport: asyncio.Transport | None = None
        self._is_used = self._is_write_paused = False
        # Since when it is in a phase other than reading or answering, in the loop's time.
        self._since = shared.loop.time()
        self._waiting: deque[Request | HttpAnswer] = deque()
        self._answering_size: int | None = None
        # The last answer, to be sent when all that arrived in this turn is handled.
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
        """Starts the wait for the handshake, or for the first request."""
        self._transport = transport  # type: ignore[assignment]  # TCP's transport is an asyncio.Transport
        if _USER_TIMEOUT is not None:
            # The kernel ends the connection of a client that acknowledges nothing for so long (RFC 5482, tcp(7)).
            timeout = int(self.shared.limits.stall_timeout * 1000)
            self._conn.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, timeout)
        if not self._reader.is_open:
            # It had to go before it was there.
            self._abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the transport's signature
        """Forgets what nobody waits for any more. An answer under way is still made, for the metrics to count it."""
        if self._tls is not None and self._tls.handshake_failure:
            self.shared.handshakes.note_failure(self._tls.handshake_failure, self._peer, self.shared.loop.time())
        self._transport = None
        self._waiting.clear()
        self._reader.close()
        self._note_memory()
        self.shared.occupancy.leave(self)

    def pause_writing(self) -> None:
        """Makes no more answers: the client does not read."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """Goes on answering."""
        self._is_write_paused = False
        self._answer_waiting()
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Leaves what arrives to the end of the loop's turn."""
        self.shared.batch.add(self, data)

    def eof_received(self) -> None:
        """Handles what came before the end; the transport then closes."""
        self.shared.batch.handle()

    # The batch's calls

    def handle(self, data: bytes) -> None:
        """Decrypts, parses, and answers what has come whole. The last answer is kept for `flush`."""
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
            # The other connections of the batch have nothing to do with it.
            logger.exception("a connection ends: a bug in the webhook")
            self._abort()

    def flush(self) -> None:
        """Sends the answer that was kept."""
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
        """Answers a request that has come whole, or lets it wait in line."""
        if self._answering_size is None and not self._waiting and not self._is_write_paused:
            self._answer(request)
        elif len(self._waiting) < PIPELINED_REQUESTS:
            self._waiting.append(request)
        else:
            self._reader.stop()

    def _take_refusal(self, refusal: Refusal) -> None:
        """Refuses a request, behind the answers that are due before."""
        logger.debug("refused a request from %s: %d %s", self._peer, refusal.code, refusal.reason.decode().strip())
        self.shared.refused(refusal)
        self._waiting.append(HttpAnswer(refusal.code, _TEXT, refusal.reason, closes=True))
        self._answer_waiting()

    # Answers

    def _answer_waiting(self) -> None:
        """Answers the requests that wait in line, as far as that takes no waiting."""
        while self._waiting and self._answering_size is None and not self._is_write_paused:
            one = self._waiting.popleft()
            if isinstance(one, HttpAnswer):
                self._respond(one, "GET", keeps_alive=False)
            else:
                self._answer(one)
        self._ask_to_continue()
        self._note_memory()

    def _answer(self, request: Request) -> None:
        # No more than one answer is kept: only the transport knows whether the client reads.
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
            # With input left unread, a close would be a reset, which may destroy the answer on its way.
            leaves_input = answer.closes or not self._reader.is_open or self._reader.is_receiving
            self._reader.stop()
            self._linger() if leaves_input else self._end()

    def _ask_to_continue(self) -> None:
        """Tells a client that waits for it to send the body, once no answer is due before (RFC 9110, 10.1.1)."""
        if self._reader.awaits_continue and self._answering_size is None and not self._waiting:
            self._reader.awaits_continue = False
            self._kept += _CONTINUE

    # Ends

    def _linger(self) -> None:
        """Ends our side behind what was kept, and waits for the client to end its own."""
        self.flush()
        if self._transport is not None and not self._transport.is_closing():
            self._send(self._tls.close() if self._tls is not None else b"")
            self._transport.write_eof()

    def _end(self) -> None:
        """Closes the connection behind what was kept."""
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
        """Closes the connection if its client has kept it waiting for too long. `now` is the loop's time."""
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
        """Closes the connection, when stopping, unless a request is under way or about to come."""
        self.shared.batch.handle()
        is_new = self.phase == "unused" and now - self._since < self.shared.limits.settle_time
        if self.phase in {"idle", "unused", "closing"} and not is_new:
            self._close_unless_request_waits()

    def abort(self) -> None:
        """Ends the connection at once."""
        self._abort()

    def _close_unless_request_waits(self) -> bool:
        if self._reader.is_open:
            try:
                waiting = self._conn.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except OSError:
                waiting = b""
            # The loop reads these next. Closed now, the client would get a reset in answer to its request.
            if waiting:
                return False
        self._end()
        return True

    # The occupancy's calls

    @property
    def quiet_since(self) -> float:
        """When the client last did what is expected of it, in the loop's time."""
        return self._reader.progressed_at if self._reader.is_receiving else self._since

    @property
    def body_size(self) -> int:
        """The bytes that have come of the body under way."""
        return self._reader.body_size

    def give_way(self) -> bool:
        """Closes the connection for a new one, unless a request is about to come; whether it did."""
        self.shared.batch.handle()
        if self.phase in {"idle", "unused"}:
            return self._close_unless_request_waits()
        self._abort()
        return True

    def refuse_body(self) -> None:
        """Refuses the request whose body is under way, and frees its memory."""
        self._reader.refuse(503, _NO_MEMORY)

    def _note_memory(self) -> None:
        waiting = sum(len(one.body) for one in self._waiting if isinstance(one, Request))
        self.shared.occupancy.hold(self, self._reader.body_size + waiting + (self._answering_size or 0))
