"""The listener over real sockets and real TLS: limits of sizes and counts."""

import asyncio
import ssl

import pytest

from tests.server.http.conftest import every_loop
from tests.server.http.serving import GET, POST, App, connect, serving, until
from webhook.server.http.connection import PIPELINED_REQUESTS


@every_loop
@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: webhook\r\nX: " + b"x" * 5000 + b"\r\n\r\n",
        b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: webhook\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: webhook\r\nX: " + b"x" * 300_000,
        b"POST / HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nTrailer: " + b"x" * 300_000,
    ],
    ids=["header", "url", "many headers", "unfinished", "trailer"],
)
async def test_headers_over_the_limit_are_answered_with_431_and_a_close(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, request_bytes: bytes
) -> None:
    for tls, verify in ((None, None), (server_tls, client_tls)):
        async with serving(App(), header_bytes=4096, tls=tls) as (_, port), connect(port, verify) as client:
            head, body = await client.ask(request_bytes)
            assert head.startswith("http/1.1 431 ")
            assert "connection: close" in head
            assert body == b"Request headers are too large."
            if tls is None:
                assert await client.closed() == b""
                # A reset, which could have overtaken the answer, would fail this.
                await client.send(bytes(8 << 20))


@every_loop
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_large_body_does_not_count_as_headers(chunked: bool) -> None:
    async with serving(App(), header_bytes=1024) as (_, port), connect(port) as client:
        body = bytes(1_000_000)
        framing = b"Content-Length: 1000000\r\n\r\n" + body
        if chunked:
            framing = b"Transfer-Encoding: chunked\r\n\r\n" + b"3e8\r\n%b\r\n" % bytes(1000) * 1000 + b"0\r\n\r\n"
        for _ in range(2):
            assert (await client.ask(b"POST / HTTP/1.1\r\nHost: webhook\r\n" + framing))[1] == b"1000000"


@every_loop
async def test_one_connection_too_many_is_closed_at_once_and_counted(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with (
        serving(App(), tls=server_tls, max_connections=2) as (listener, port),
        connect(port, client_tls) as served,
        connect(port),  # a handshake that has not begun counts too
    ):
        await served.ask(POST)
        await until(lambda: listener.open_connections == 2)
        async with connect(port) as refused:
            assert await refused.closed() == b""
        assert (listener.open_connections, listener.occupancy.refused_connections) == (2, 1)
        assert (await served.ask(POST))[1] == b"4"


@every_loop
async def test_pipelined_requests_are_answered_in_order_up_to_a_limit() -> None:
    app = App()
    async with serving(app) as (_, port), connect(port) as client:
        flood = asyncio.create_task(client.send(GET.replace(b"/ ", b"/held ") + GET * 5000))
        await app.entered.wait()
        app.release.set()
        answers = (await client.closed()).count(b"HTTP/1.1 200")
        assert answers == app.calls == 1 + PIPELINED_REQUESTS
        flood.cancel()
