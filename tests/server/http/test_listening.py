"""The listener over real sockets: its addresses, and what it leaves alone."""

import datetime as dt
import logging
from email.utils import parsedate_to_datetime

import pytest

from tests.server.http.conftest import every_loop
from tests.server.http.serving import POST, App, connect, serving
from webhook.server.http.listener import Listener, ListenError


@every_loop
@pytest.mark.parametrize(
    ("address", "answered"), [("", "46"), ("::", "46"), ("0.0.0.0", "4"), ("127.0.0.1", "4"), ("::1", "6")]
)
async def test_each_address_answers_its_own_families(address: str, answered: str) -> None:
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

    async with serving(App(), address=address) as (_, port):
        assert await families(port) == answered


@every_loop
async def test_a_port_in_use_is_an_error_of_one_line() -> None:
    async with serving(App(), address="") as (_, port):
        with pytest.raises(ListenError, match=rf"^Cannot listen on \[::\]:{port}: the port is in use$"):
            await Listener(App(), address="", port=port, tls=None).start()


@every_loop
@pytest.mark.parametrize(
    ("address", "port", "message"),
    [
        ("webhook.example", 0, "Cannot listen on webhook.example:0: not an IP address"),
        ("127.0.0.1", 70000, "Cannot listen on 127.0.0.1:70000: bind(): port must be 0-65535."),
        ("192.0.2.1", 0, "Cannot listen on 192.0.2.1:0: no interface has this address"),
    ],
)
async def test_an_address_that_cannot_be_had_is_an_error_of_one_line(address: str, port: int, message: str) -> None:
    with pytest.raises(ListenError) as caught:
        await Listener(App(), address=address, port=port, tls=None).start()
    assert str(caught.value) == message


@every_loop
async def test_an_answer_has_a_fresh_date_and_no_server_header() -> None:
    async with serving(App()) as (_, port), connect(port) as client:
        head, body = await client.ask(POST)
        assert body == b"4"
        assert "server:" not in head
        assert "connection:" not in head
        date = parsedate_to_datetime(head.split("date: ")[1].split("\r\n")[0])
        assert abs(dt.datetime.now(dt.UTC) - date) < dt.timedelta(seconds=10)


@every_loop
async def test_a_listener_leaves_the_loggers_of_the_process_alone() -> None:
    logger = logging.getLogger("uvicorn.access")
    before = (logger.level, logger.propagate, list(logger.handlers))

    async with serving(App()) as (_, port), connect(port) as client:
        await client.ask(POST)
    assert (logger.level, logger.propagate, list(logger.handlers)) == before
