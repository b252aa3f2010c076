"""One HTTP/1.1 connection: uvicorn's httptools protocol, with every wait and every buffer bounded.

What uvicorn 0.54 leaves open under httptools, and this closes: a connection that never sends a request, a request
that arrives drop by drop, headers of any size, pipelined requests without number, answers the client does not read,
and a warning in the log for every malformed request.

Deadlines are checked by the listener's tick, which calls `enforce_deadline`. It replaces uvicorn's timer for each
request, and that pays for the bookkeeping here.
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Literal

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from webhook.server import tcp

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from webhook.server.limits import Limits

logger = logging.getLogger(__name__)

PIPELINED_REQUESTS = 8  # may wait behind the one being answered; the API server, kubelet and Prometheus send none


class _StopParsing(Exception):
    """Leaves the parser from one of its callbacks; never leaves `data_received`."""


def _has_path(url: bytes) -> bool:
    """Whether a request's URL, which the parser let pass, can be taken apart and has a path."""
    try:
        path: bytes | None = httptools.parse_url(url).path
    except httptools.HttpParserInvalidURLError:
        return False
    return path is not None and path.isascii()


class SharedState(ServerState):
    """What the connections of one listener share."""

    def __init__(self) -> None:
        super().__init__()
        self.is_draining = False
        self.date_line = b""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Its transport owns `conn`, which is only peeked at here; `on_made` follows the TLS handshake."""

    def __init__(
        self,
        config: Config,
        server_state: SharedState,
        limits: Limits,
        conn: socket.socket,
        on_made: Callable[[], None],
    ) -> None:
        super().__init__(config, server_state, app_state={})
        # Off here: uvicorn's Config would do it by changing the logger of the whole process.
        self.access_log = False
        self.server_state: SharedState = server_state
        self.limits = limits
        self.conn = conn
        self.on_made = on_made
        self.receiving: Literal["nothing", "headers", "body"] = "nothing"
        # Start of the wait whose length is limited, and of the wait for the client to read; in the loop's time.
        self.since = 0.0
        self.stalled_since: float | None = None
        # Bytes received for this request that were not body; since the last chunk's start where it is chunked.
        self.overhead = 0
        # What else arrives is discarded: the connection closes after what it owes.
        self.deaf = False
        # What the client had acknowledged at the last tick where it had not all, and since when that is so.
        self.acknowledged: int | None = None
        self.waiting_since = 0.0

    @property
    def unused(self) -> bool:
        """Whether no request has come yet."""
        return self.cycle is None

    @property
    def answering(self) -> bool:
        """Whether the application owes an answer."""
        return not self.unused and not self.cycle.response_complete and not self.cycle.disconnected

    # The transport's calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Starts the wait for the first request."""
        super().connection_made(transport)
        self.on_made()
        self.since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the requests that nobody waits for any more."""
        super().connection_lost(exc)
        self.pipeline.clear()

    def pause_writing(self) -> None:
        """Holds the application back: the client does not read."""
        super().pause_writing()
        self.stalled_since = self.loop.time()

    def resume_writing(self) -> None:
        """Lets the application go on."""
        super().resume_writing()
        self.stalled_since = None

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, whose callbacks below start the application."""
        if self.deaf or self.transport.is_closing():
            return
        self.overhead += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Its head is answered (the parser keeps its body back), then the connection ends: what comes behind it may
            # be of that other protocol.
            self._finish()
        except httptools.HttpParserError as error:
            if not self.deaf:
                logger.debug("Malformed request from %s: %s", self.client, error)
                self._reject(400, b"Invalid HTTP request received.")
        else:
            if self.overhead > self.limits.header_bytes and self.receiving != "nothing":
                self._reject(431, b"Request headers are too large.")

    # The parser's calls

    def on_message_begin(self) -> None:
        """A request's first byte."""
        if self.deaf:
            raise _StopParsing
        super().on_message_begin()
        self.receiving = "headers"
        if self.cycle is not None:
            self.since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Waits for the body, starts the application, or queues the request behind the one being answered."""
        # `overhead` still counts the body that came in the same read: only then the headers need adding up.
        if self.overhead > self.limits.header_bytes and self._header_size() > self.limits.header_bytes:
            self._reject(431, b"Request headers are too large.")
            raise _StopParsing
        if len(self.pipeline) >= PIPELINED_REQUESTS:
            self._finish()
            raise _StopParsing
        if not _has_path(self.url):
            # uvicorn takes for granted that it has one, while a body may already be on its way.
            self._reject(400, b"Invalid URL.")
            raise _StopParsing
        self.receiving = "body"
        self._start_request()

    def _start_request(self) -> None:
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """A chunk's start, in a body sent chunked: what follows the last one are trailers."""
        self.overhead = 0

    def on_body(self, body: bytes) -> None:
        """Passes a part of the body on."""
        self.overhead -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request's last byte."""
        self.receiving = "nothing"
        self.overhead = 0
        super().on_message_complete()
        if self.cycle.response_complete:
            self.since = self.loop.time()

    # The request cycle's call

    def on_response_complete(self) -> None:
        """Takes the next pipelined request, or waits for one. Stands in for uvicorn's, which starts a timer here."""
        if self.receiving != "body":
            self.since = self.loop.time()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_queued(cycle, app)

    def _start_queued(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._start_asgi_task(cycle, app)

    # The listener's calls

    def enforce_deadline(self, now: float) -> None:
        """Closes the connection if its client, not the application, has kept it waiting for too long.

        `now` is the loop's time. Aborts where the client does not even read: a close would wait for that.
        """
        if self._takes_nothing(now):
            self.transport.abort()
            return
        if self.stalled_since is None and self.transport.is_closing():
            self.stalled_since = now
        if self.stalled_since is not None:
            if now - self.stalled_since > self.limits.stall_timeout:
                self.transport.abort()
            return
        if self.receiving == "nothing" and not self.answering:
            if now - self.since > self._idle_limit():
                self._close_unless_request_waits()
        elif self._waits_for_client() and now - self.since > self.limits.request_timeout:
            self.transport.close()

    def _takes_nothing(self, now: float) -> bool:
        """Whether the client has for too long acknowledged none of the bytes that the kernel holds for it.

        The transport says so too late: it may have given all of an answer to a TLS layer with room for much of it.
        """
        acknowledged = tcp.acknowledged(self.conn) if tcp.unsent(self.conn) else None
        if acknowledged is None or acknowledged != self.acknowledged:
            self.acknowledged, self.waiting_since = acknowledged, now
        return now - self.waiting_since > self.limits.stall_timeout and acknowledged is not None

    def close_if_idle(self, now: float) -> None:
        """Closes the connection, when stopping, unless a request is being received or answered or is about to come."""
        if self.receiving == "nothing" and not self.answering:
            just_connected = self.unused and now - self.since < self.limits.settle_time
            if self.deaf or not just_connected:
                self._close_unless_request_waits()

    def _idle_limit(self) -> float:
        if self.deaf:
            return self.limits.stall_timeout
        return self.limits.request_timeout if self.unused else self.limits.idle_timeout

    def _waits_for_client(self) -> bool:
        if self.receiving == "body":
            return not self.flow.read_paused
        return self.receiving == "headers" and not self.answering

    def _close_unless_request_waits(self) -> None:
        if not self.deaf:
            try:
                waiting = self.conn.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except OSError:
                waiting = b""
            # The loop reads these next. Closed now, the client would get a reset in answer to its request.
            if waiting:
                return
        self.transport.close()

    def _header_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _finish(self) -> None:
        """Answers what is owed, then closes; what else arrives is discarded."""
        self.deaf = True
        self.receiving = "nothing"
        self.cycle.keep_alive = False

    def _reject(self, status: int, reason: bytes) -> None:
        """Refuses a request where its answer is still due; else closes after what is owed."""
        in_body = self.receiving == "body"
        if not in_body and self.answering:
            self._finish()
            return
        if in_body:
            if self.cycle.response_started or self.pipeline:
                self._finish()
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.flow.resume_reading()
        self._refuse(status, reason)

    def _refuse(self, status: int, reason: bytes) -> None:
        """Answers for the application, then closes; what else arrives is discarded."""
        self.deaf = True
        self.receiving = "nothing"
        self.since = self.loop.time()
        defaults = self.server_state.default_headers
        headers = b"".join(b"%s: %s\r\n" % header for header in defaults if header[0] != b"connection")
        entity = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % len(reason)
        self.transport.write(STATUS_LINE[status] + headers + entity + b"connection: close\r\n\r\n" + reason)
        # Not closed yet: a close with bytes unread is a reset, and that may destroy the answer on its way.
        if self.transport.can_write_eof():
            self.transport.write_eof()
