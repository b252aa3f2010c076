"""Streams of requests, split anywhere: our listener and stock uvicorn answer them alike."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.server.http.serving import DEADLINE, POST, until
from webhook.server.http.answer import HttpAnswer, Request
from webhook.server.http.listener import Listener

TYPE = (b"content-type", b"text/plain")
ANSWER = re.compile(
    rb"HTTP/1\.1 (?:100 Continue\r\n\r\n|(?P<code>\d+) [^\r]*\r\n(?P<head>(?:[^\r]+\r\n)*)\r\n)", re.IGNORECASE
)
BAD = b"POST /mutate HTTP/1.1\r\nHost: webhook\r\nContent-Length: 4, 5\r\n\r\nbody"


def shown(method: str, path: str, body: bytes) -> bytes:
    return f"{method} {path} ".encode() + body


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Says what it was asked."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    content = shown(scope["method"], scope["path"], body)
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [TYPE, (b"content-length", b"%d" % len(content))],
        }
    )
    await send({"type": "http.response.body", "body": content})


def handler(request: Request) -> HttpAnswer:
    """The same, at once."""
    return HttpAnswer(200, (TYPE,), shown(request.method, request.path.decode(), request.body))


async def later(request: Request) -> HttpAnswer:
    await asyncio.sleep(0)
    return handler(request)


@asynccontextmanager
async def both() -> AsyncIterator[tuple[int, int]]:
    """The ports of our listener and of stock uvicorn."""
    ours = Listener(
        application, address="127.0.0.1", port=0, tls=None, handlers={b"/mutate": handler, b"/later": later}
    )
    stock = uvicorn.Server(uvicorn.Config(application, port=0, log_config=None, http="httptools", lifespan="off"))
    serving = asyncio.create_task(stock.serve())
    port = await ours.start()
    await until(lambda: stock.started)
    try:
        yield port, stock.servers[0].sockets[0].getsockname()[1]
    finally:
        stock.should_exit = True
        await serving
        await ours.stop(1)


async def talk(port: int, parts: list[bytes]) -> list[tuple[bytes, bytes]]:
    """The codes and the contents of what is answered to `parts`, until either side has nothing more to say."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            # For each part to be a read of its own, most of the time.
            for _ in range(5):
                await asyncio.sleep(0)
    text = b""
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(DEADLINE):
            writer.write(b"GET /end HTTP/1.1\r\nHost: webhook\r\nConnection: close\r\n\r\n")
            while data := await reader.read(65536):
                text += data
    writer.close()
    return answers(text)


def answers(text: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    while match := ANSWER.match(text):
        text = text[match.end() :]
        if match["code"]:
            length = int(re.search(rb"content-length: (\d+)", match["head"], re.IGNORECASE)[1])  # type: ignore[index]
            content = text[:length] if not text[:length].startswith(b"HTTP/1.1") else b""
            found.append((match["code"], content))
            text = text[len(content) :]
    return [*found, (b"", text)] if text else found


def head(method: bytes, path: bytes, lines: list[bytes], version: bytes = b"1.1") -> bytes:
    return b"\r\n".join([b"%b %b HTTP/%b" % (method, path, version), b"Host: webhook", *lines, b"", b""])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request as clients send them, or nearly one."""
    path = draw(st.sampled_from([b"/mutate", b"/mutate?timeout=10s", b"/application", b"/%6dutate", b"/later"]))
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
                head(b"POST", path, [b"Transfer-Encoding: chunked"]) + b"4\r\nbody\r\n1\r\n!\r\n0\r\n\r\n",
                head(b"POST", path, [b"Transfer-Encoding: chunked"]) + b"none\r\n",
                head(b"POST", path, [b"Content-Length: 4", b"Content-Length: 4"]) + b"body",
                head(b"GET", path, []),
                b"\r\n" + head(b"POST", path, [length]) + body,
                head(b"POST", path, [b"No colon", length]) + body,
                head(b"POST", b"http://webhook" + path, [length]) + body,
                body,
            ]
        )
    )


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` in parts, cut at these places, none of them empty."""
    places = sorted({cut % len(data) for cut in cuts} | {0, len(data)}) if data else [0]
    return [data[start:end] for start, end in itertools.pairwise(places)]


streams = st.lists(requests(), min_size=1, max_size=5), st.lists(st.integers(0, 4000), max_size=6)


MALFORMED = (b"400", b"Invalid HTTP request received.")


END = (b"200", b"GET /end ")


def agree(ours: list[tuple[bytes, bytes]], stock: list[tuple[bytes, bytes]]) -> bool:
    """Whether the answers are the same, up to where the connection ends.

    If it ends before the last request, with input left unread, stock uvicorn's close is a reset, which may destroy
    answers on their way; and behind answers that are due it sends no 400. We lose nothing.
    """
    if ours[-1:] == [END]:
        return ours == stock
    answered = stock[:-1] if stock[-1:] == [MALFORMED] else stock
    return answered == ours[: len(answered)]


def test_our_listener_and_stock_uvicorn_answer_alike() -> None:
    with asyncio.Runner() as runner:
        ports = both()
        ours, stock = runner.run(ports.__aenter__())

        @given(*streams)
        @example([POST, BAD], [])
        @example([POST, head(b"POST", b"/mutate", [b"Transfer-Encoding: chunked"]) + b"none\r\n"], [])
        @settings(max_examples=100, deadline=None)
        def alike(stream: list[bytes], cuts: list[int]) -> None:
            async def compare() -> None:
                parts = split(b"".join(stream), cuts)
                mine, theirs = await talk(ours, parts), await talk(stock, parts)
                assert agree(mine, theirs), (mine, theirs)

            runner.run(compare())

        try:
            alike()
        finally:
            runner.run(ports.__aexit__(None, None, None))
