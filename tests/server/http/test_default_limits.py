"""What the limits that the webhook has grant to clients, on a clock that the tests put forward."""

import asyncio
import ssl
from contextlib import AsyncExitStack

import pytest

from tests.server.http.serving import POST, App, Client, connect, serving, until
from webhook.server.http.limits import Limits
from webhook.server.http.listener import Listener

HEAD = b"POST /mutate HTTP/1.1\r\nHost: localhost\r\n"
SLOW = {
    "nothing": (b"", b""),
    "headers": (HEAD, b"X: y\r\n"),
    "small body": (HEAD + b"Content-Length: 5000\r\n\r\n", b" "),
    "large body": (HEAD + b"Content-Length: 5000000\r\n\r\n", b" "),
    "no body": (HEAD + b"Content-Length: 5000000\r\n\r\n", b""),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time a test puts forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead

    async def go_on(self, seconds: float, listener: Listener) -> None:
        """Lets time pass, and the listener enforce its deadlines."""
        due = listener._timers["tick"]
        self.ahead += seconds
        await until(lambda: listener._timers["tick"] is not due)


on_the_clock = pytest.mark.parametrize("anyio_backend", [("asyncio", {"loop_factory": Clock})], ids=["clock"])
# By the clock that the tests put forward, by up to 121 s.
DEADLINE = 300.0


def clock() -> Clock:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Clock)
    return loop


def test_the_default_idle_timeout_outlasts_the_api_servers_ninety_seconds() -> None:
    assert Limits().idle_timeout > 90


@on_the_clock
@pytest.mark.parametrize("seconds", [65, 119])
async def test_an_idle_client_is_answered_on_the_same_connection(
    seconds: float, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with (
        serving(App(), tls=server_tls, deadline=DEADLINE) as (listener, port),
        connect(port, client_tls) as client,
    ):
        assert (await client.ask(POST))[1] == b"4"
        await clock().go_on(seconds, listener)
        assert (await client.ask(POST))[1] == b"4"


@on_the_clock
async def test_an_idle_connection_is_closed_after_two_minutes(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with (
        serving(App(), tls=server_tls, deadline=DEADLINE) as (listener, port),
        connect(port, client_tls) as client,
    ):
        await client.ask(POST)
        await clock().go_on(121, listener)
        assert await client.closed() == b""


@on_the_clock
async def test_slow_clients_are_cut_after_ten_seconds_while_others_are_answered(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with (
        AsyncExitStack() as stack,
        serving(App(), tls=server_tls, deadline=DEADLINE) as (listener, port),
        connect(port, client_tls) as other,
    ):
        without_tls = await stack.enter_async_context(connect(port))
        slow: dict[Client, bytes] = {}
        for head, drop in SLOW.values():
            client = await stack.enter_async_context(connect(port, client_tls))
            await client.send(head)
            slow[client] = drop
        for _ in range(9):
            await clock().go_on(1, listener)
            for client, drop in slow.items():
                await client.send(drop)
            assert (await other.ask(POST))[1] == b"4"
        assert listener.open_connections == len(slow) + 2

        await clock().go_on(1.1, listener)
        for client in (without_tls, *slow):
            assert await client.closed() == b""
        assert (await other.ask(POST))[1] == b"4"
        await until(lambda: listener.open_connections == 1)
