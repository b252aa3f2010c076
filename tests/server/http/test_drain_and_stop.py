"""The listener drains and stops over real sockets and real TLS, and loses no request."""

import asyncio
import socket
import ssl
from contextlib import AsyncExitStack, closing

import pytest

from tests.server.http.conftest import every_loop
from tests.server.http.serving import DEADLINE, POST, App, connect, serving, until


async def post_until_refused(port: int, tls: ssl.SSLContext | None, answers: list[str], started: asyncio.Event) -> None:
    """Posts over kept-alive connections; only a refused connect ends it, any other failure is raised."""
    while True:
        async with AsyncExitStack() as stack:
            try:
                client = await stack.enter_async_context(connect(port, tls))
            except ConnectionRefusedError:
                return
            head = ""
            while "connection: close" not in head:
                head, body = await client.ask(POST)
                assert body == b"4"
                answers.append(head)
                started.set()


@every_loop
@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
async def test_eight_clients_posting_through_drain_and_stop_lose_no_request(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, secure: bool
) -> None:
    answers: list[str] = []
    started = [asyncio.Event() for _ in range(8)]
    async with (
        serving(App(), tls=server_tls if secure else None, settle_time=60) as (listener, port),
        asyncio.TaskGroup() as group,
    ):
        for event in started:
            group.create_task(post_until_refused(port, client_tls if secure else None, answers, event))
        await asyncio.gather(*(event.wait() for event in started))
        assert "connection: close" not in "".join(answers)
        listener.drain()
        seen = len(answers)
        # Every client has gone through several new connections.
        await until(lambda: len(answers) > seen + 80)
        # At most one answer a client was under way without it.
        assert sum("connection: close" not in head for head in answers[seen:]) <= 8
        await listener.stop(60)


@every_loop
async def test_a_drained_listener_takes_new_connections_and_closes_each_after_its_answer() -> None:
    async with serving(App()) as (listener, port), connect(port) as old:
        await old.ask(POST)
        listener.drain()
        async with connect(port) as new:
            for client in (old, new):
                head, body = await client.ask(POST)
                assert ("connection: close" in head, body) == (True, b"4")
                assert await client.closed() == b""


@every_loop
async def test_an_answer_under_way_when_draining_starts_carries_the_close() -> None:
    app = App()
    async with serving(app) as (listener, port), connect(port) as client:
        await client.send(b"GET /held HTTP/1.1\r\nHost: webhook\r\n\r\n")
        await app.entered.wait()
        listener.drain()
        app.release.set()
        assert "connection: close" in (await client.answer())[0]


@every_loop
async def test_stop_closes_idle_and_unused_connections_and_accepts_no_more(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with (
        serving(App(), tls=server_tls, settle_time=0.1) as (listener, port),
        connect(port, client_tls) as idle,
        connect(port, client_tls) as unused,
    ):
        await idle.ask(POST)
        _, closed_idle, closed_unused = await asyncio.gather(listener.stop(60), idle.closed(), unused.closed())
        assert (closed_idle, closed_unused) == (b"", b"")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


@every_loop
@pytest.mark.parametrize("drained", [True, False], ids=["after the answer", "when idle"])
async def test_a_tls_connection_is_closed_with_close_notify(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, drained: bool
) -> None:
    def client(port: int) -> list[bytes]:
        plain = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        # Not suppressed, an end of stream without close_notify is an SSLEOFError.
        with client_tls.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as conn:
            conn.sendall(POST)
            parts = []
            while part := conn.recv(4096):
                parts.append(part)
            return parts

    async with serving(App(), tls=server_tls, idle_timeout=0.1) as (listener, port):
        if drained:
            listener.drain()
        answer = b"".join(await asyncio.to_thread(client, port))
        assert (b"connection: close" in answer) == drained
        assert answer.endswith(b"\r\n\r\n4")


@every_loop
async def test_a_request_on_the_wire_when_stop_closes_idle_connections_is_answered() -> None:
    async with serving(App()) as (listener, port):
        with closing(socket.create_connection(("127.0.0.1", port))) as conn:
            conn.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(conn, POST)
            assert (await loop.sock_recv(conn, 4096)).endswith(b"4")
            conn.send(POST)
            # Nothing runs between the send and the stop: the server has read none of it.
            await listener.stop(60)
            answer = await loop.sock_recv(conn, 4096)
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in answer


@every_loop
async def test_connections_the_kernel_still_queues_at_stop_are_answered() -> None:
    async with serving(App()) as (listener, port):
        conns = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for conn in conns:
            conn.sendall(POST)
            conn.setblocking(False)
        await listener.stop(60)
        for conn in conns:
            with closing(conn):
                assert conn.recv(4096).startswith(b"HTTP/1.1 200")


@every_loop
@pytest.mark.parametrize("part", [b"POST /mutate HT", POST[:-2]], ids=["headers", "body"])
async def test_a_request_half_received_at_stop_is_finished(part: bytes) -> None:
    async with serving(App()) as (listener, port), connect(port) as client:
        await client.ask(POST)
        await client.send(part)
        await until(lambda: any(c.phase == "reading" for c in listener._connections))
        stop = asyncio.create_task(listener.stop(60))
        await until(lambda: listener._socket is None)
        head, body = await client.ask(POST[len(part) :])
        assert ("connection: close" in head, body) == (True, b"4")
        await stop


@every_loop
async def test_a_connection_made_just_before_stop_may_bring_its_first_request() -> None:
    async with serving(App(), settle_time=60) as (listener, port), connect(port) as client:
        await until(lambda: len(listener._connections) == 1)
        stop = asyncio.create_task(listener.stop(60))
        await until(lambda: listener._socket is None)
        assert (await client.ask(POST))[1] == b"4"
        await stop


@every_loop
async def test_stop_waits_for_the_application_within_its_grace() -> None:
    app = App()
    async with serving(app) as (listener, port), connect(port) as client:
        await client.send(b"GET /held HTTP/1.1\r\nHost: webhook\r\n\r\n")
        await app.entered.wait()
        stop = asyncio.create_task(listener.stop(60))
        await until(lambda: listener._socket is None)
        app.release.set()
        assert (await client.answer())[1] == b"0"
        await stop


@every_loop
async def test_stop_aborts_what_is_not_answered_within_its_grace(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    async with serving(app) as (listener, port), connect(port) as client:
        await client.send(b"GET /held HTTP/1.1\r\nHost: webhook\r\n\r\n")
        await app.entered.wait()
        await listener.stop(0.1)
        assert listener.open_connections == 0
        assert await client.closed() == b""
    assert "stopping: aborted 1 connections after 0.1 s" in caplog.messages
