"""What a connection makes of its bytes: the same whether the heads of its requests are known or not."""

import asyncio
import itertools
import socket
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.config import Config
from webhook.server.at_once import AtOnceProtocol, SharedAnswers
from webhook.server.heads import Head, Heads
from webhook.server.http_answer import HttpAnswer
from webhook.server.limits import Limits
from webhook.server.protocol import SharedState

TYPE = (b"content-type", b"text/plain")
POST = b"POST /mutate HTTP/1.1\r\nHost: webhook\r\nContent-Length: 4\r\n\r\nbody"
WAITS = POST.replace(b"/mutate", b"/application")
CONNECT = b"CONNECT /mutate HTTP/1.1\r\nHost: webhook\r\nContent-Length: 4\r\n\r\n"
# With a head and a body that are longer than those above by a byte.
LONGER = POST.replace(b"/mutate", b"/mutate?").replace(b"4", b"5") + b"!"


MALFORMED = (
    b"HTTP/1.1 400 Bad Request\r\ndate: today\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 30\r\n\r\n"
    b"Invalid HTTP request received."
)


class NoHeads(Heads):
    """Learns nothing: the parser is asked each time."""

    def learn(self, data: bytes, size: int, scope: dict[str, Any]) -> None:
        pass


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closing = False

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


@dataclass
class Webhook:
    """What connections share. `asked` are the requests that were answered, `at_once` of them without waiting."""

    heads: Heads = field(default_factory=Heads)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    at_once: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.shared = SharedAnswers(self.answer)
        self.shared.heads = self.heads
        self.config = Config(
            cast("Any", self.application), interface="asgi3", lifespan="off", ws="none", log_config=None
        )
        self.config.load()
        self.state = SharedState()
        self.state.date_line = b"date: today\r\n"
        self.state.default_headers = [(b"date", b"today")]

    def answer(self, scope: Any, body: bytes) -> HttpAnswer | None:
        if scope["path"] == "/application":
            return None
        self.at_once += 1
        self.asked.append((scope["method"], scope["path"], body))
        return HttpAnswer(200, (TYPE,), body[::-1])

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        await self.release.wait()
        self.asked.append((scope["method"], scope["path"], body))
        headers = [TYPE, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body[::-1]})

    def protocol(self, conn: socket.socket, transport: Transport) -> AtOnceProtocol:
        """One connection."""
        protocol = AtOnceProtocol(self.config, self.state, Limits(), conn, lambda: None, self.shared)
        protocol.connection_made(cast("asyncio.Transport", transport))
        return protocol

    async def talk(self, parts: list[bytes], *, waits: bool = False) -> tuple[bytes, bool]:
        """One connection on which `parts` come one by one: what was answered, and whether it was closed.

        `waits`: the application does, until all have come.
        """
        self.release.clear() if waits else self.release.set()
        transport = Transport()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            protocol = self.protocol(ours, transport)
            for part in parts:
                if not transport.closing:
                    protocol.data_received(part)
                    await settled(self)
            self.release.set()
            await settled(self)
            answered = transport.written, transport.closing
            protocol.connection_lost(None)
            await settled(self)
        return answered


async def settled(webhook: Webhook) -> None:
    """Waits for the turn's end, and for the tasks that it started as far as they come without more data."""
    for _ in range(6):
        await asyncio.sleep(0)
    assert len(webhook.state.tasks) <= 9


def head(method: bytes, path: bytes, lines: list[bytes], version: bytes = b"1.1") -> bytes:
    return b"\r\n".join([b"%b %b HTTP/%b" % (method, path, version), b"Host: webhook", *lines, b"", b""])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request as clients send them, or nearly one."""
    path = draw(st.sampled_from([b"/mutate", b"/mutate?timeout=10s", b"/application"]))
    body = draw(st.sampled_from([b"", b"body", b"BODY", b"\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"b" * 300]))
    length = b"Content-Length: %d" % len(body)
    return draw(
        st.sampled_from(
            [
                *[head(b"POST", path, [length]) + body] * 4,
                head(b"POST", path, [length, b"Accept: */*", b"Connection: keep-alive"]) + body,
                head(b"POST", path, [length, b"Connection: close"]) + body,
                head(b"POST", path, [length], b"1.0") + body,
                head(b"POST", path, [length, b"Expect: 100-continue"]) + body,
                head(b"POST", path, [b"content-length: 1000"]) + body,
                head(b"POST", path, [b"Transfer-Encoding: chunked"]) + b"4\r\nbody\r\n0\r\n\r\n",
                head(b"POST", path, [b"Content-Length: 4", b"Content-Length: 4"]) + b"body",
                head(b"HEAD", path, [length]) + body,
                head(b"GET", path, []),
                head(b"CONNECT", path, [length]) + body,
                b"\r\n" + head(b"POST", path, [length]) + body,
                head(b"POST", path, [length]).replace(b"\r\n", b"\n") + body,
                head(b"POST", path, [b"No colon", length]) + body,
                body,
            ]
        )
    )


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` in parts, cut at these places, none of them empty."""
    places = sorted({cut % len(data) for cut in cuts} | {0, len(data)}) if data else [0]
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(
    before=st.lists(st.tuples(requests(), st.lists(st.integers(0, 999), max_size=2)), max_size=4),
    stream=st.lists(requests(), min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 4000), max_size=6),
    waits=st.booleans(),
)
@example(before=[(POST, [])], stream=[POST], cuts=[30, 62], waits=False)
@example(before=[(POST, [])], stream=[POST, b"body"], cuts=[59], waits=False)
@example(before=[(CONNECT, []), (CONNECT, [])], stream=[CONNECT], cuts=[], waits=False)
@example(before=[(POST, [9])], stream=[POST, POST], cuts=[], waits=False)
@example(before=[(POST, [61])], stream=[POST, POST], cuts=[70], waits=False)
# What is held of one request is no part of the next.
@example(before=[(POST, [])], stream=[POST, POST], cuts=[60, 63, 125], waits=False)
# The end of the second head is as long as the first.
@example(before=[(POST + LONGER, [64])], stream=[POST], cuts=[], waits=False)
# The second is not answered before the first.
@example(before=[(POST, [])], stream=[WAITS, POST], cuts=[len(WAITS)], waits=True)
@settings(max_examples=400)
def test_known_heads_change_nothing(
    before: list[tuple[bytes, list[int]]], stream: list[bytes], cuts: list[int], *, waits: bool
) -> None:
    async def seen(webhook: Webhook) -> tuple[Any, ...]:
        for request, places in before:
            # A head that starts within an earlier request's read, or in its middle, must not be learned as one.
            await webhook.talk(split(request, places))
        del webhook.asked[:]
        answers, _ = await webhook.talk(split(b"".join(stream), cuts), waits=waits)
        # Where garbage follows a request, the application's answer says that it is the last; one given at once is sent
        # already, so that the garbage gets its own.
        return answers.replace(b"connection: close\r\n", b"").removesuffix(MALFORMED), webhook.asked

    assert asyncio.run(seen(Webhook())) == asyncio.run(seen(Webhook(NoHeads())))


@pytest.mark.parametrize("cuts", [[], [59], [61, 62], [59, 60, 61, 62], [60, 63, 64 + 59]])
def test_requests_in_parts_are_answered_at_once_where_their_head_is_known(cuts: list[int]) -> None:
    """As the API server's are: Go sends the first bytes of a connection in small TLS records."""

    async def test() -> None:
        webhook = Webhook()
        await webhook.talk(split(POST, [60]))
        assert (webhook.asked, webhook.at_once) == ([("POST", "/mutate", b"body")], 0)
        answers, _ = await webhook.talk([*split(POST, cuts), *split(POST, cuts)])
        assert answers.count(b"\r\n\r\nydob") == 2
        assert (webhook.asked, webhook.at_once) == ([("POST", "/mutate", b"body")] * 3, 2)

    asyncio.run(test())


def test_each_new_head_on_a_connection_is_learned() -> None:
    async def test() -> None:
        webhook = Webhook()
        for parts in ([POST, LONGER], [WAITS, POST.replace(b"Host", b"Accept: */*\r\nHost")]):
            await webhook.talk(parts)
            for request in parts:
                assert webhook.heads.find(request) is not None

    asyncio.run(test())


def test_a_request_that_was_held_is_the_applications_where_it_has_to_wait() -> None:
    async def test() -> None:
        webhook = Webhook()
        for _ in range(2):
            answer, is_closed = await webhook.talk(split(WAITS, [len(WAITS) - 1]))
            assert answer.endswith(b"\r\n\r\nydob")
            assert not is_closed
        assert webhook.asked == [("POST", "/application", b"body")] * 2
        assert webhook.heads.find(WAITS) is not None
        assert webhook.at_once == 0

    asyncio.run(test())


@pytest.mark.parametrize("heads", [Heads, NoHeads])
def test_a_request_in_parts_has_its_time_from_its_first_byte(heads: type[Heads]) -> None:
    async def test() -> None:
        webhook = Webhook(heads())
        webhook.release.set()
        transport = Transport()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            protocol = webhook.protocol(ours, transport)
            protocol.data_received(POST)
            await settled(webhook)
            limit = protocol.limits.request_timeout
            # Long idle, as the API server's connections are on a quiet cluster.
            protocol.since -= 6 * limit
            start = protocol.loop.time()
            protocol.data_received(POST[:60])
            protocol.enforce_deadline(start + limit - 1)
            protocol.since -= 5
            protocol.data_received(POST[60:61])
            protocol.enforce_deadline(start + limit - 6)
            assert not transport.closing
            protocol.enforce_deadline(start + limit - 4)
            assert transport.closing

    asyncio.run(test())


def test_the_parser_is_not_asked_about_a_head_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        webhook = Webhook()
        await webhook.talk([POST])
        monkeypatch.setattr(AtOnceProtocol, "_parse", None)
        answer, _ = await webhook.talk([POST])
        assert answer.startswith(b"HTTP/1.1 200 OK\r\ndate: today\r\n")
        headers = [(b"host", b"webhook"), (b"content-length", b"4")]
        assert webhook.heads.find(POST) == Head({"method": "POST", "path": "/mutate", "headers": headers}, 59, 63)

    asyncio.run(test())
