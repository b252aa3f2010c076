"""The listener over real sockets: malformed HTTP, and a request to upgrade."""

import logging

import pytest

from tests.server.http.conftest import every_loop
from tests.server.http.serving import GET, POST, App, connect, serving, until


@every_loop
async def test_malformed_http_is_answered_with_400_and_logged_for_debugging_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(App()) as (_, port), connect(port) as client:
        await client.send(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        assert (await client.closed()).startswith(b"HTTP/1.1 400 ")
    records = [record for record in caplog.records if record.name.startswith(("webhook", "uvicorn"))]
    assert [record.levelname for record in records] == ["DEBUG"]
    assert records[0].getMessage().startswith("refused a request from ('127.0.0.1', ")


# The parser lets them pass; what takes them apart does not, or finds no path.
BAD_URLS = [b"http://w", b"http://w?x=1", b"http://a:99999/", b"http://[::1/"]


@every_loop
@pytest.mark.parametrize("url", BAD_URLS)
@pytest.mark.parametrize("body", [b"", b"bo", b"body"], ids=["head", "part", "whole"])
async def test_a_url_that_is_none_is_answered_with_400_and_logged_for_debugging_only(
    url: bytes, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    bad = b"POST " + url + b" HTTP/1.1\r\nHost: w\r\nContent-Length: 4\r\n\r\n" + body

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
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@every_loop
@pytest.mark.parametrize("rest", [b"\0\0\0", *(b"GET %b HTTP/1.1\r\nHost: w\r\n\r\n" % url for url in BAD_URLS)])
async def test_malformed_http_behind_a_good_request_leaves_its_answer_whole(rest: bytes) -> None:
    app = App()
    async with serving(app) as (_, port), connect(port) as client:
        await client.send(b"GET /held HTTP/1.1\r\nHost: webhook\r\n\r\n" + rest)
        await app.entered.wait()
        app.release.set()
        answer = await client.closed()
        assert (answer.count(b"HTTP/1.1"), answer[:13]) == (2, b"HTTP/1.1 200 ")
        assert b"\r\n\r\n0HTTP/1.1 400 Bad Request\r\n" in answer


@every_loop
@pytest.mark.parametrize("pause", [True, False], ids=["later", "at once"])
async def test_an_answer_is_not_lost_to_a_malformed_chunk_behind_it(*, pause: bool) -> None:
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


@every_loop
async def test_a_malformed_body_ends_the_request_with_400() -> None:
    app = App()
    async with serving(app, stall_timeout=60) as (listener, port), connect(port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n")
        await until(lambda: any(c.phase == "reading" for c in listener._connections))
        await client.send(b"not a size\r\n")
        assert (await client.closed()).startswith(b"HTTP/1.1 400 ")
        assert app.calls == 0


@every_loop
async def test_a_request_to_upgrade_is_answered_plainly_and_the_connection_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
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
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
