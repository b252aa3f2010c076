"""The listener over real sockets and real TLS: listening, draining, stopping, deadlines, limits and malformed HTTP."""

import asyncio
import datetime as dt
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, closing
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.server.http.serving import DEADLINE, GET, POST, App, Client, connect, serving, until
from webhook.server.http.connection import PIPELINED_REQUESTS
from webhook.server.http.listener import Listener, ListenError

Run = Callable[[Coroutine[Any, Any, None]], None]


# Listening


@pytest.mark.parametrize(
    ("address", "answered"), [("", "46"), ("::", "46"), ("0.0.0.0", "4"), ("127.0.0.1", "4"), ("::1", "6")]
)
def test_each_address_answers_its_own_families(run: Run, address: str, answered: str) -> None:
    async def families(port: int) -> str:
        found = ""
        for family, host in (("4", "127.0.0.1"), ("6", "::1")):
            try:
                async with connect(port, host=host) as client:
                    assert (await client.ask(POST))[1] == b"4"
                    found += family
            except ConnectionRefusedError:
                pass
        return found

    async def test() -> None:
        async with serving(App(), address=address) as (_, port):
            assert await families(port) == answered

    run(test())


def test_a_port_in_use_is_an_error_of_one_line(run: Run) -> None:
    async def test() -> None:
        async with serving(App(), address="") as (_, port):
            with pytest.raises(ListenError, match=rf"^Cannot listen on \[::\]:{port}: the port is in use$"):
                await Listener(App(), address="", port=port, tls=None).start()

    run(test())


@pytest.mark.parametrize(
    ("address", "port", "message"),
    [
        ("webhook.example", 0, "Cannot listen on webhook.example:0: not an IP address"),
        ("127.0.0.1", 70000, "Cannot listen on 127.0.0.1:70000: bind(): port must be 0-65535."),
        ("192.0.2.1", 0, "Cannot listen on 192.0.2.1:0: no interface has this address"),
    ],
)
def test_an_address_that_cannot_be_had_is_an_error_of_one_line(run: Run, address: str, port: int, message: str) -> None:
    async def test() -> None:
        with pytest.raises(ListenError) as caught:
            await Listener(App(), address=address, port=port, tls=None).start()
        assert str(caught.value) == message

    run(test())


def test_an_answer_has_a_fresh_date_and_no_server_header(run: Run) -> None:
    async def test() -> None:
        async with serving(App()) as (_, port), connect(port) as client:
            head, body = await client.ask(POST)
            assert body == b"4"
            assert "server:" not in head
            assert "connection:" not in head
            date = parsedate_to_datetime(head.split("date: ")[1].split("\r\n")[0])
            assert abs(dt.datetime.now(dt.UTC) - date) < dt.timedelta(seconds=10)

    run(test())


def test_a_listener_leaves_the_loggers_of_the_process_alone(run: Run) -> None:
    logger = logging.getLogger("uvicorn.access")
    before = (logger.level, logger.propagate, list(logger.handlers))

    async def test() -> None:
        async with serving(App()) as (_, port), connect(port) as client:
            await client.ask(POST)

    run(test())
    assert (logger.level, logger.propagate, list(logger.handlers)) == before


# Drain and stop


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


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
def test_eight_clients_posting_through_drain_and_stop_lose_no_request(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, secure: bool
) -> None:
    async def test() -> None:
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

    run(test())


def test_a_drained_listener_takes_new_connections_and_closes_each_after_its_answer(run: Run) -> None:
    async def test() -> None:
        async with serving(App()) as (listener, port), connect(port) as old:
            await old.ask(POST)
            listener.drain()
            async with connect(port) as new:
                for client in (old, new):
                    head, body = await client.ask(POST)
                    assert ("connection: close" in head, body) == (True, b"4")
                    assert await client.closed() == b""

    run(test())


def test_an_answer_under_way_when_draining_starts_carries_the_close(run: Run) -> None:
    async def test() -> None:
        app = App()
        async with serving(app) as (listener, port), connect(port) as client:
            await client.send(b"GET /held HTTP/1.1\r\nHost: webhook\r\n\r\n")
            await app.entered.wait()
            listener.drain()
            app.release.set()
            assert "connection: close" in (await client.answer())[0]

    run(test())


def test_stop_closes_idle_and_unused_connections_and_accepts_no_more(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def test() -> None:
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

    run(test())


@pytest.mark.parametrize("drained", [True, False], ids=["after the answer", "when idle"])
def test_a_tls_connection_is_closed_with_close_notify(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, drained: bool
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

    async def test() -> None:
        async with serving(App(), tls=server_tls, idle_timeout=0.1) as (listener, port):
            if drained:
                listener.drain()
            answer = b"".join(await asyncio.to_thread(client, port))
            assert (b"connection: close" in answer) == drained
            assert answer.endswith(b"\r\n\r\n4")

    run(test())


def test_a_request_on_the_wire_when_stop_closes_idle_connections_is_answered(run: Run) -> None:
    async def test() -> None:
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

    run(test())


def test_connections_the_kernel_still_queues_at_stop_are_answered(run: Run) -> None:
    async def test() -> None:
        async with serving(App()) as (listener, port):
            conns = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
            for conn in conns:
                conn.sendall(POST)
                conn.setblocking(False)
            await listener.stop(60)
            for conn in conns:
                with closing(conn):
                    assert conn.recv(4096).startswith(b"HTTP/1.1 200")

    run(test())


@pytest.mark.parametrize("part", [b"POST /mutate HT", POST[:-2]], ids=["headers", "body"])
def test_a_request_half_received_at_stop_is_finished(run: Run, part: bytes) -> None:
    async def test() -> None:
        async with serving(App()) as (listener, port), connect(port) as client:
            await client.ask(POST)
            await client.send(part)
            await until(lambda: any(c.phase == "reading" for c in listener._connections))
            stop = asyncio.create_task(listener.stop(60))
            await until(lambda: listener._socket is None)
            head, body = await client.ask(POST[len(part) :])
            assert ("connection: close" in head, body) == (True, b"4")
            await stop

    run(test())


def test_a_connection_made_just_before_stop_may_bring_its_first_request(run: Run) -> None:
    async def test() -> None:
        async with serving(App(), settle_time=60) as (listener, port), connect(port) as client:
            await until(lambda: len(listener._connections) == 1)
            stop = asyncio.create_task(listener.stop(60))
            await until(lambda: listener._socket is None)
            assert (await client.ask(POST))[1] == b"4"
            await stop

    run(test())


def test_stop_waits_for_the_application_within_its_grace(run: Run) -> None:
    async def test() -> None:
        app = App()
        async with serving(app) as (listener, port), connect(port) as client:
            await client.send(b"GET /held HTTP/1.1\r\nHost: webhook\r\n\r\n")
            await app.entered.wait()
            stop = asyncio.create_task(listener.stop(60))
            await until(lambda: listener._socket is None)
            app.release.set()
            assert (await client.answer())[1] == b"0"
            await stop

    run(test())


def test_stop_aborts_what_is_not_answered_within_its_grace(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        app = App()
        async with serving(app) as (listener, port), connect(port) as client:
            await client.send(b"GET /held HTTP/1.1\r\nHost: webhook\r\n\r\n")
            await app.entered.wait()
            await listener.stop(0.1)
            assert listener.open_connections == 0
            assert await client.closed() == b""

    run(test())
    assert "StopSignals: aborted 1 connections after 0.1 s" in caplog.messages


# Deadlines


def test_only_a_connection_without_a_request_is_held_to_the_request_timeout(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def test() -> None:
        async with serving(App(), tls=server_tls, request_timeout=1.0) as (_, port), connect(port, client_tls) as used:
            await used.ask(POST)
            async with connect(port, client_tls) as unused:
                assert await unused.closed() == b""
            assert (await used.ask(POST))[1] == b"4"

    run(test())


def test_an_idle_connection_is_closed_at_the_idle_timeout(run: Run) -> None:
    async def test() -> None:
        async with serving(App(), idle_timeout=0.2, request_timeout=60) as (_, port), connect(port) as client:
            await client.ask(POST)
            assert await client.closed() == b""

    run(test())


@pytest.mark.parametrize("used", [True, False], ids=["later request", "first request"])
@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 99999\r\n\r\n"]
)
def test_a_request_that_arrives_drop_by_drop_is_cut_at_the_request_timeout(run: Run, used: bool, head: bytes) -> None:
    async def drip(client: Client) -> None:
        try:
            while True:
                await client.send(b"x")
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass

    async def test() -> None:
        async with serving(App(), request_timeout=1.0 if used else 0.2) as (_, port), connect(port) as client:
            if used:
                await client.ask(POST)
            await client.send(head)
            dripping = asyncio.create_task(drip(client))
            assert await client.closed() == b""
            dripping.cancel()

    run(test())


def test_a_handshake_that_does_not_end_is_cut_and_counted(run: Run, server_tls: ssl.SSLContext) -> None:
    async def test() -> None:
        async with serving(App(), tls=server_tls, handshake_timeout=0.2) as (listener, port), connect(port) as client:
            await until(lambda: listener.open_connections == 1)
            assert await client.closed() == b""
            await until(lambda: listener.open_connections == 0)
            assert listener.failed_handshakes == 1

    run(test())


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
def test_a_client_that_does_not_read_is_cut_at_the_stall_timeout(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, *, secure: bool
) -> None:
    def ask(port: int) -> socket.socket:
        conn = socket.socket()
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        conn.connect(("127.0.0.1", port))
        if secure:
            conn = client_tls.wrap_socket(conn, server_hostname="127.0.0.1")
        conn.sendall(b"GET /large HTTP/1.1\r\nHost: webhook\r\n\r\n")
        return conn

    async def test() -> None:
        async with serving(App(), tls=server_tls if secure else None, stall_timeout=0.2) as (listener, port):
            with closing(await asyncio.to_thread(ask, port)):
                await until(lambda: listener.open_connections == 1)
                await until(lambda: listener.open_connections == 0)

    run(test())


def test_a_client_that_reads_slowly_gets_its_whole_answer(run: Run) -> None:
    async def test() -> None:
        async with serving(App(), stall_timeout=0.4) as (_, port), connect(port) as client:
            await client.send(b"GET /large HTTP/1.1\r\nHost: webhook\r\n\r\n")
            await client.reader.readuntil(b"\r\n\r\n")
            for _ in range(16):
                await client.reader.readexactly(2 << 20)
                # All of it takes longer than the stall timeout.
                await asyncio.sleep(0.05)

    run(test())


def test_a_half_closed_connection_is_closed(run: Run) -> None:
    async def test() -> None:
        async with serving(App()) as (listener, port), connect(port) as client:
            await client.send(b"GET /held HTTP/1.1\r\nHost: webhook\r\n\r\n")
            await until(lambda: listener.open_connections == 1)
            client.writer.write_eof()
            assert await client.closed() == b""

    run(test())


# Sizes and counts


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
def test_headers_over_the_limit_are_answered_with_431_and_a_close(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, request_bytes: bytes
) -> None:
    async def test(tls: ssl.SSLContext | None, verify: ssl.SSLContext | None) -> None:
        app = App()
        async with serving(app, header_bytes=4096, tls=tls) as (_, port), connect(port, verify) as client:
            head, body = await client.ask(request_bytes)
            assert head.startswith("http/1.1 431 ")
            assert "connection: close" in head
            assert body == b"Request headers are too large."
            if tls is None:
                assert await client.closed() == b""
                # A reset, which could have overtaken the answer, would fail this.
                await client.send(bytes(8 << 20))

    run(test(None, None))
    run(test(server_tls, client_tls))


@pytest.mark.parametrize("chunked", [True, False])
def test_a_large_body_does_not_count_as_headers(run: Run, chunked: bool) -> None:
    async def test() -> None:
        async with serving(App(), header_bytes=1024) as (_, port), connect(port) as client:
            body = bytes(1_000_000)
            framing = b"Content-Length: 1000000\r\n\r\n" + body
            if chunked:
                framing = b"Transfer-Encoding: chunked\r\n\r\n" + b"3e8\r\n%b\r\n" % bytes(1000) * 1000 + b"0\r\n\r\n"
            for _ in range(2):
                assert (await client.ask(b"POST / HTTP/1.1\r\nHost: webhook\r\n" + framing))[1] == b"1000000"

    run(test())


def test_one_connection_too_many_is_closed_at_once_and_counted(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def test() -> None:
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

    run(test())


def test_pipelined_requests_are_answered_in_order_up_to_a_limit(run: Run) -> None:
    async def test() -> None:
        app = App()
        async with serving(app) as (_, port), connect(port) as client:
            flood = asyncio.create_task(client.send(GET.replace(b"/ ", b"/held ") + GET * 5000))
            await app.entered.wait()
            app.release.set()
            answers = (await client.closed()).count(b"HTTP/1.1 200")
            assert answers == app.calls == 1 + PIPELINED_REQUESTS
            flood.cancel()

    run(test())


def test_malformed_http_is_answered_with_400_and_logged_for_debugging_only(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with serving(App()) as (_, port), connect(port) as client:
            await client.send(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            assert (await client.closed()).startswith(b"HTTP/1.1 400 ")

    caplog.set_level(logging.DEBUG)
    run(test())
    records = [record for record in caplog.records if record.name.startswith(("webhook", "uvicorn"))]
    assert [record.levelname for record in records] == ["DEBUG"]
    assert records[0].getMessage().startswith("refused a request from ('127.0.0.1', ")


# The parser lets them pass; what takes them apart does not, or finds no path.
BAD_URLS = [b"http://w", b"http://w?x=1", b"http://a:99999/", b"http://[::1/"]


@pytest.mark.parametrize("url", BAD_URLS)
@pytest.mark.parametrize("body", [b"", b"bo", b"body"], ids=["head", "part", "whole"])
def test_a_url_that_is_none_is_answered_with_400_and_logged_for_debugging_only(
    run: Run, url: bytes, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    bad = b"POST " + url + b" HTTP/1.1\r\nHost: w\r\nContent-Length: 4\r\n\r\n" + body

    async def test() -> None:
        async with serving(App()) as (_, port):
            async with connect(port) as client:
                await client.send(bad)
                assert (await client.closed()).startswith(b"HTTP/1.1 400 ")
            async with connect(port) as client:
                assert (await client.ask(POST))[1] == b"4"
                await client.send(POST + bad)
                answers = await client.closed()
                assert answers.startswith(b"HTTP/1.1 200 ")
                assert answers.count(b"HTTP/1.1") <= 2

    run(test())
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("rest", [b"\0\0\0", *(b"GET %b HTTP/1.1\r\nHost: w\r\n\r\n" % url for url in BAD_URLS)])
def test_malformed_http_behind_a_good_request_leaves_its_answer_whole(run: Run, rest: bytes) -> None:
    async def test() -> None:
        app = App()
        async with serving(app) as (_, port), connect(port) as client:
            await client.send(b"GET /held HTTP/1.1\r\nHost: webhook\r\n\r\n" + rest)
            await app.entered.wait()
            app.release.set()
            answer = await client.closed()
            assert (answer.count(b"HTTP/1.1"), answer[:13]) == (2, b"HTTP/1.1 200 ")
            assert b"\r\n\r\n0HTTP/1.1 400 Bad Request\r\n" in answer

    run(test())


@pytest.mark.parametrize("pause", [True, False], ids=["later", "at once"])
def test_an_answer_is_not_lost_to_a_malformed_chunk_behind_it(run: Run, *, pause: bool) -> None:
    async def test() -> None:
        async with serving(App()) as (_, port), connect(port) as client:
            chunked = b"POST / HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n"
            await client.send(POST + chunked + (b"" if pause else b"none\r\n"))
            if pause:
                assert (await client.answer())[1] == b"4"
                await client.send(b"none\r\n")
            answers = await client.closed()
            assert answers.count(b"HTTP/1.1 200 OK\r\n") == (0 if pause else 1)
            assert answers.count(b"HTTP/1.1 400 Bad Request\r\n") == 1
            assert answers.endswith(b"\r\n\r\nInvalid HTTP request received.")

    run(test())


def test_a_malformed_body_ends_the_request_with_400(run: Run) -> None:
    async def test() -> None:
        app = App()
        async with serving(app, stall_timeout=60) as (listener, port), connect(port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n")
            await until(lambda: any(c.phase == "reading" for c in listener._connections))
            await client.send(b"not a size\r\n")
            assert (await client.closed()).startswith(b"HTTP/1.1 400 ")
            assert app.calls == 0

    run(test())


def test_a_request_to_upgrade_is_answered_plainly_and_the_connection_closed(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        app = App()
        async with serving(app) as (_, port), connect(port) as client:
            upgrade = b"GET /held HTTP/1.1\r\nHost: w\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            await client.send(upgrade + GET)
            await app.entered.wait()
            app.release.set()
            answer = await client.closed()
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"connection: close" in answer
            assert app.calls == 1

    run(test())
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
