"""A connection whose requests are answered at once where nothing has to be waited for: the hot path.

No cycle, event or task is made for those: that takes longer than the answer. Where the head is one that came before,
not even the parser is asked. The application answers whatever else comes.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from webhook.server.heads import Head, Heads
from webhook.server.protocol import BoundedProtocol, SharedState
from webhook.server.turn import Turn

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from webhook.server.http_answer import HttpAnswer
    from webhook.server.limits import Limits

# The answer to a request (the `method`, `path` and `headers` of ASGI's scope, and the body) that has not to be waited
# for; None: ask the application.
Answer: TypeAlias = "Callable[[Any, bytes], HttpAnswer | None]"


@lru_cache(maxsize=64)
def _head(headers: tuple[tuple[bytes, bytes], ...], length: int, *, closes: bool) -> bytes:
    """An answer's head behind its Date."""
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%b%bcontent-length: %d\r\n\r\n" % (lines, b"connection: close\r\n" if closes else b"", length)


def _nothing() -> None:
    """Stands in for a callback that is not needed any more."""


class _Answered:
    """In the place of the cycle of a request that was answered at once."""

    response_started = response_complete = True
    disconnected = False
    message_event = asyncio.Event()


_ANSWERED: Final = cast("RequestResponseCycle", _Answered())


class SharedAnswers:
    """What the connections of one listener share to answer at once."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.turn = Turn()
        self.heads = Heads()


class AtOnceProtocol(BoundedProtocol):
    """One connection; what arrives on it is taken up at the end of the loop's turn."""

    def __init__(
        self,
        config: Config,
        server_state: SharedState,
        limits: Limits,
        conn: socket.socket,
        on_made: Callable[[], None],
        shared: SharedAnswers,
    ) -> None:
        super().__init__(config, server_state, limits, conn, on_made)
        self.shared = shared
        # The head of the request under way where it is known, and what has come of that request, kept from the parser.
        self.head: Head | None = None
        self.held: list[bytes] = []
        self.held_size = 0
        # What the request being parsed starts with; nothing where it does not start with a read.
        self.start = b""
        # Parts of the body of a request that may be answered at once: only while the read that brought it is parsed.
        self.parts: list[bytes] | None = None
        # An answer given at once, to be sent at the turn's end.
        self.answer = b""

    # The transport's calls

    def data_received(self, data: bytes) -> None:
        """Leaves what arrives to the turn's end: an application's tasks are run by turns anyway."""
        self.shared.turn.add(self, data)

    def eof_received(self) -> None:
        """Takes up what came before the end: the transport closes behind this."""
        self.shared.turn.end()

    # The turn's calls

    def take_up(self, data: bytes) -> None:
        """Answers at once, or feeds the parser."""
        if self.deaf or self.transport.is_closing():
            return
        if self.receiving == "nothing" and self._is_idle:
            self.head = self.shared.heads.find(data)
        head = self.head
        if head is None:
            self._parse(data)
            return
        request = self._whole(data, head)
        if request is None:
            if self.receiving == "nothing" and not self.unused:
                self.since = self.loop.time()
            self.receiving = "body"
            return
        self.head = None
        # Where more came than the request, the parser takes it apart.
        if len(request) == head.request_size and self._answer(head.scope, request[head.size :], keep_alive=True):
            self._is_answered()
        else:
            self._parse(request)

    def send(self) -> None:
        """Sends the answer that waits for the turn's end."""
        if self.answer:
            answer, self.answer = self.answer, b""
            self.transport.write(answer)

    def abort(self) -> None:
        """Ends the connection after a bug."""
        self.transport.abort()

    def _whole(self, data: bytes, head: Head) -> bytes | None:
        """What came of a request whose head is known, `data` the last of it; None where more is to come."""
        self.held_size += len(data)
        if self.held_size < head.request_size:
            self.held.append(data)
            return None
        if self.held:
            data = b"".join([*self.held, data])
            self.held.clear()
        self.held_size = 0
        return data

    # A request that is parsed

    def _parse(self, data: bytes) -> None:
        if self.receiving == "nothing":
            self.start = data
        super().data_received(data)
        if self.parts is not None:
            self._ask_application(self.parts)

    def _start_request(self) -> None:
        if self._is_idle and not self.parser.should_upgrade():
            self.parts = []
        else:
            super()._start_request()

    def on_body(self, body: bytes) -> None:
        """Keeps a part of the body, or passes it on."""
        if self.parts is None:
            super().on_body(body)
        else:
            self.overhead -= len(body)
            self.parts.append(body)

    def on_message_complete(self) -> None:
        """A request's last byte."""
        # What was no body was the head, unless something came behind it.
        head_size, self.overhead = self.overhead, 0
        # Where the path is not the URL's, the application is asked, and told it in full.
        path = self.url.partition(b"?")[0].decode("ascii")
        scope = {"method": self.parser.get_method().decode("ascii"), "path": path, "headers": self.headers}
        keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        # After a CONNECT there is no body, whatever length it says.
        if keep_alive and not self.parser.should_upgrade():
            self.shared.heads.learn(self.start, head_size, scope)
        self.start = b""
        if self.parts is None:
            super().on_message_complete()
        elif self._answer(scope, b"".join(self.parts), keep_alive=keep_alive):
            self.parts = None
            self._is_answered()
        else:
            self._ask_application(self.parts)
            super().on_message_complete()

    def _ask_application(self, parts: list[bytes]) -> None:
        """Starts the application on a request that was not answered at once."""
        self.parts = None
        super()._start_request()
        body = b"".join(parts)
        # Taken off a second time below.
        self.overhead += len(body)
        super().on_body(body)

    # Answers

    @property
    def _is_idle(self) -> bool:
        """Whether no request before this one waits for its answer."""
        return self.cycle is _ANSWERED or not self.answering

    def _is_answered(self) -> None:
        """Waits for the next request."""
        self.receiving = "nothing"
        self.cycle = _ANSWERED
        self.since = self.loop.time()

    def _answer(self, scope: Any, body: bytes, *, keep_alive: bool) -> bool:
        """Answers where that can be done at once; whether it could."""
        # Before it is asked whether the client reads: no more than one answer is kept.
        if self.answer:
            self.send()
        if self.flow.write_paused:
            return False
        answer = self.shared.answer(scope, body)
        if answer is None:
            return False
        closes = answer.closes or not keep_alive or self.server_state.is_draining
        head = _head(answer.headers, len(answer.body), closes=closes)
        content = answer.body if scope["method"] != "HEAD" else b""
        self.answer = b"%b%b%b%b" % (STATUS_LINE[answer.code], self.server_state.date_line, head, content)
        if closes:
            self.send()
            self.deaf = True
            self.pipeline.clear()
            self.transport.close()
        return True

    def _start_queued(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        is_whole = not cycle.more_body and not self.parser.should_upgrade()
        if is_whole and self._answer(cycle.scope, bytes(cycle.body), keep_alive=cycle.keep_alive):
            cycle.response_started = cycle.response_complete = True
            # As uvicorn does at its end: the two hold each other, and a closed connection would wait for the collector.
            cycle.on_response = _nothing
            self.send()
            self.on_response_complete()
        else:
            super()._start_queued(cycle, app)

    def _reject(self, status: int, reason: bytes) -> None:
        self.send()
        if self.parts is None:
            super()._reject(status, reason)
        else:
            self.parts = None
            self._refuse(status, reason)

    # The listener's calls

    def enforce_deadline(self, now: float) -> None:
        """Takes up what arrived, then closes the connection if its client has kept it waiting for too long."""
        self.shared.turn.end()
        super().enforce_deadline(now)

    def close_if_idle(self, now: float) -> None:
        """Takes up what arrived, then closes the connection if nothing is under way on it."""
        self.shared.turn.end()
        super().close_if_idle(now)
