"""Answers of handlers and of the application: whole, in order, once."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.server.http.serving import DEADLINE, POST, App, Client, until
from webhook.server.http.answer import Handler, HttpAnswer, Request
from webhook.server.http.listener import Listener

UVLOOP = ("asyncio", {"use_uvloop": True})
on_uvloop = pytest.mark.parametrize("anyio_backend", [UVLOOP], ids=["uvloop"])
HELD = b"GET /held HTTP/1.1\r\nHost: webhook\r\n\r\n"


class EveryPath(dict[bytes, Handler]):
    """One handler for every path but `/held`, which is the application's."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def get(self, path: bytes, _default: Any = None) -> Any:
        return None if path == b"/held" else self.handler


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[tuple[Client, App, Listener]]:
    """A connection to a listener with this handler, and its application."""
    app = App()
    listener = Listener(app, address="127.0.0.1", port=0, tls=None, handlers=EveryPath(handler))
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("127.0.0.1", await listener.start())
        try:
            yield Client(reader, writer), app, listener
        finally:
            writer.close()
            await listener.stop(1)


def echo(request: Request) -> HttpAnswer:
    return HttpAnswer(200, (), request.body)


@on_uvloop
async def test_a_handlers_answer_is_one_whole_message_and_the_application_is_not_asked() -> None:
    headers = ((b"content-type", b"application/json"),)
    async with answering(lambda request: HttpAnswer(200, headers, request.body * 2)) as (client, app, _):
        await client.send(POST + POST)
        for _ in range(2):
            head = await client.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
            assert head.endswith(b"\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n")
            assert await client.reader.readexactly(8) == b"bodybody"
        assert app.calls == 0


@on_uvloop
async def test_a_handler_gets_the_whole_request_however_its_parts_come() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> HttpAnswer:
        asked.append(request)
        return echo(request)

    async with answering(answer) as (client, _, listener):
        (connection,) = listener._connections
        request = POST.replace(b"/mutate", b"/mutate?timeout=10s")
        for end in range(len(request)):
            await client.send(request[end : end + 1])
            await until(lambda: connection.phase != ("unused", "idle")[bool(asked)])
        assert (await client.answer())[1] == b"body"
        headers = [(b"host", b"webhook"), (b"content-length", b"4")]
        assert asked == [Request("POST", b"/mutate", b"timeout=10s", headers, b"body", "1.1", keeps_alive=True)]


@on_uvloop
async def test_an_answer_that_is_awaited_comes_before_those_behind_it() -> None:
    release = asyncio.Event()

    async def later(request: Request) -> HttpAnswer:
        await release.wait()
        return echo(request)

    def answer(request: Request) -> HttpAnswer | Coroutine[Any, Any, HttpAnswer]:
        return later(request) if request.body == b"body" else echo(request)

    async with answering(answer) as (client, app, listener):
        await client.send(POST + HELD + POST.replace(b"body", b"last"))
        (connection,) = listener._connections
        await until(lambda: connection.phase == "answering")
        release.set()
        app.release.set()
        assert [(await client.answer())[1] for _ in range(3)] == [b"body", b"0", b"last"]
        await until(lambda: connection.phase == "idle")


@on_uvloop
async def test_an_answer_that_closes_says_so_and_is_the_last() -> None:
    async with answering(lambda _: HttpAnswer(413, (), b"no", closes=True)) as (client, _, _):
        await client.send(POST + POST)
        answer = await client.closed()
        assert answer.count(b"HTTP/1.1 413") == 1
        assert b"\r\nconnection: close\r\n" in answer
        assert answer.endswith(b"\r\n\r\nno")


@on_uvloop
async def test_an_answer_to_head_has_no_body() -> None:
    async with answering(lambda _: HttpAnswer(200, (), b"text")) as (client, _, _):
        await client.send(b"HEAD / HTTP/1.1\r\nHost: webhook\r\nConnection: close\r\n\r\n")
        assert (await client.closed()).endswith(b"content-length: 4\r\n\r\n")


@pytest.mark.parametrize("anyio_backend", [UVLOOP, "asyncio"], ids=["uvloop", "asyncio"])
async def test_a_closed_connection_is_gone_without_the_collector() -> None:
    gc.disable()
    try:
        async with answering(echo) as (client, app, listener):
            app.release.set()
            await client.send(POST + HELD)
            for _ in range(2):
                await client.answer()
            connection = weakref.ref(listener._connections[0])
            client.writer.close()
            await until(lambda: connection() is None)
    finally:
        gc.enable()


@on_uvloop
async def test_a_request_for_an_upgrade_is_answered_and_its_connection_ends() -> None:
    async with answering(echo) as (client, _, _):
        await client.send(b"GET / HTTP/1.1\r\nHost: webhook\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + POST)
        answer = await client.closed()
        assert (answer.count(b"HTTP/1.1 200"), answer.count(b"\r\nconnection: close\r\n")) == (1, 1)


@on_uvloop
async def test_while_draining_what_is_pipelined_behind_the_last_answer_is_not_decided() -> None:
    bodies: list[bytes] = []

    def answer(request: Request) -> HttpAnswer:
        bodies.append(request.body)
        return echo(request)

    async with answering(answer) as (client, _, listener):
        listener.drain()
        await client.send(POST * 20)
        answers = await client.closed()
        assert (answers.count(b"HTTP/1.1 200"), len(bodies)) == (1, 1)
        assert answers.count(b"connection: close\r\n") == 1


@on_uvloop
async def test_a_request_that_asks_before_its_body_is_told_to_go_on_behind_another() -> None:
    async with answering(echo) as (client, app, _):
        expecting = POST.replace(b"\r\n\r\nbody", b"\r\nExpect: 100-continue\r\n\r\n")
        for before in (HELD, b""):
            app.entered.clear()
            await client.send(before + expecting)
            if before:
                await app.entered.wait()
                app.release.set()
                assert (await client.answer())[1] == b"0"
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(b"body")
            assert (await client.answer())[1] == b"body"


@on_uvloop
async def test_an_application_that_fails_or_says_nothing_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ValueError("why")

    async def says_nothing(_scope: Any, _receive: Any, _send: Any) -> None:
        return

    for application in (fails, says_nothing):
        listener = Listener(application, address="127.0.0.1", port=0, tls=None)
        client = Client(*await asyncio.open_connection("127.0.0.1", await listener.start()))
        head, body = await client.ask(POST)
        assert head.startswith("http/1.1 500 internal server error\r\n")
        assert body == b"Internal Server Error"
        client.writer.close()
        await listener.stop(1)
    assert [record.getMessage() for record in caplog.records] == [
        "no answer to a request: a bug in the webhook",
        "no answer to a request: the application ended without one",
    ]
