"""A listener with a small application, and a client that sends what it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from webhook.server.http.answer import Handler, HttpAnswer, Request
from webhook.server.http.limits import Limits
from webhook.server.http.listener import Listener

DEADLINE = 20.0
POST = b"POST /mutate HTTP/1.1\r\nHost: webhook\r\nContent-Length: 4\r\n\r\nbody"
GET = b"GET / HTTP/1.1\r\nHost: webhook\r\n\r\n"


class App:
    """Answers with the body's length; `/held` only after `release`, `/large` with 32 MiB."""

    # Whether handlers answer in its place, but for `/held` and `/large`.
    has_handlers = False

    def __init__(self) -> None:
        self.calls = 0
        self.entered = asyncio.Event()
        self.release = asyncio.Event()

    @property
    def handlers(self) -> dict[bytes, Handler]:
        return {b"/": self.answer, b"/mutate": self.answer} if self.has_handlers else {}

    def answer(self, request: Request) -> HttpAnswer:
        self.calls += 1
        self.entered.set()
        return HttpAnswer(200, (), b"%d" % len(request.body))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        self.entered.set()
        message = await receive()
        assert message["more_body"] is False
        if scope["path"] == "/held":
            await self.release.wait()
        body = bytes(32 << 20) if scope["path"] == "/large" else b"%d" % len(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


class Client:
    """A connection; `get` and `post` return the answer's head, lower case, and its body."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[str, bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        return head, await self.reader.readexactly(length)

    async def ask(self, request: bytes) -> tuple[str, bytes]:
        await self.send(request)
        return await self.answer()

    async def closed(self) -> bytes:
        """What still arrives until the server closes."""
        rest = b""
        with suppress(ConnectionError):
            while data := await self.reader.read(65536):
                rest += data
        return rest


@asynccontextmanager
async def connect(port: int, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def serving(
    app: App,
    *,
    address: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    deadline: float = DEADLINE,
    **limits: Any,
) -> AsyncIterator[tuple[Listener, int]]:
    listener = Listener(app, address=address, port=0, tls=tls, limits=Limits(**limits), handlers=app.handlers)
    async with asyncio.timeout(deadline):
        port = await listener.start()
        try:
            yield listener, port
        finally:
            await listener.stop(0)
            assert listener.open_connections == 0


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # nothing signals these conditions; DEADLINE bounds the wait
        await asyncio.sleep(0.005)
