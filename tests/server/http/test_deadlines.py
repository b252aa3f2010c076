"""The listener over real sockets and real TLS: the connections that it cuts, most of them at a deadline."""

import asyncio
import socket
import ssl
from contextlib import closing

import pytest

from tests.server.http.conftest import every_loop
from tests.server.http.serving import POST, App, Client, connect, serving, until


@every_loop
async def test_only_a_connection_without_a_request_is_held_to_the_request_timeout(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with serving(App(), tls=server_tls, request_timeout=1.0) as (_, port), connect(port, client_tls) as used:
        await used.ask(POST)
        async with connect(port, client_tls) as unused:
            assert await unused.closed() == b""
        assert (await used.ask(POST))[1] == b"4"


@every_loop
async def test_an_idle_connection_is_closed_at_the_idle_timeout() -> None:
    async with serving(App(), idle_timeout=0.2, request_timeout=60) as (_, port), connect(port) as client:
        await client.ask(POST)
        assert await client.closed() == b""


@every_loop
@pytest.mark.parametrize("used", [True, False], ids=["later request", "first request"])
@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 99999\r\n\r\n"]
)
async def test_a_request_that_arrives_drop_by_drop_is_cut_at_the_request_timeout(used: bool, head: bytes) -> None:
    async def drip(client: Client) -> None:
        try:
            while True:
                await client.send(b"x")
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass

    async with serving(App(), request_timeout=1.0 if used else 0.2) as (_, port), connect(port) as client:
        if used:
            await client.ask(POST)
        await client.send(head)
        dripping = asyncio.create_task(drip(client))
        assert await client.closed() == b""
        dripping.cancel()


@every_loop
async def test_a_handshake_that_does_not_end_is_cut_and_counted(server_tls: ssl.SSLContext) -> None:
    async with serving(App(), tls=server_tls, handshake_timeout=0.2) as (listener, port), connect(port) as client:
        await until(lambda: listener.open_connections == 1)
        assert await client.closed() == b""
        await until(lambda: listener.open_connections == 0)
        assert listener.failed_handshakes == 1


@every_loop
@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
async def test_a_client_that_does_not_read_is_cut_at_the_stall_timeout(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, *, secure: bool
) -> None:
    def ask(port: int) -> socket.socket:
        conn = socket.socket()
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        conn.connect(("127.0.0.1", port))
        if secure:
            conn = client_tls.wrap_socket(conn, server_hostname="127.0.0.1")
        conn.sendall(b"GET /large HTTP/1.1\r\nHost: webhook\r\n\r\n")
        return conn

    async with serving(App(), tls=server_tls if secure else None, stall_timeout=0.2) as (listener, port):
        with closing(await asyncio.to_thread(ask, port)):
            await until(lambda: listener.open_connections == 1)
            await until(lambda: listener.open_connections == 0)


@every_loop
async def test_a_client_that_reads_slowly_gets_its_whole_answer() -> None:
    async with serving(App(), stall_timeout=0.4) as (_, port), connect(port) as client:
        await client.send(b"GET /large HTTP/1.1\r\nHost: webhook\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        for _ in range(16):
            await client.reader.readexactly(2 << 20)
            # All of it takes longer than the stall timeout.
            await asyncio.sleep(0.05)


@every_loop
async def test_a_half_closed_connection_is_closed() -> None:
    async with serving(App()) as (listener, port), connect(port) as client:
        await client.send(b"GET /held HTTP/1.1\r\nHost: webhook\r\n\r\n")
        await until(lambda: listener.open_connections == 1)
        client.writer.write_eof()
        assert await client.closed() == b""
