"""What arrives in one turn of the event loop: handled together, and nothing lost."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from certs.issue import Names, issue_ca, issue_leaf
from webhook.server.certificates.contexts import load_pair
from webhook.server.certificates.tls_settings import TlsSettings
from webhook.server.http.answer import HttpAnswer, Request
from webhook.server.http.listener import Listener
from webhook.server.http.read_batch import ReadBatch

REQUEST = b"POST /mutate HTTP/1.1\r\nHost: webhook\r\nContent-Length: 4\r\n\r\nbody"
DEADLINE = 30


class Recorder:
    """A connection that says what is asked of it."""

    def __init__(self, said: list[str], name: str) -> None:
        self.said, self.name = said, name

    def handle(self, data: bytes) -> None:
        self.said.append(f"{self.name} handles {len(data)}")

    def flush(self) -> None:
        self.said.append(f"{self.name} flushes")


async def in_one_turn(act: Callable[[ReadBatch, list[str]], None]) -> tuple[list[str], list[str]]:
    """What connections were asked within the turn, and by its end."""
    batch, said = ReadBatch(), list[str]()
    act(batch, said)
    at_first = said.copy()
    await asyncio.sleep(0)
    return at_first, said


async def test_all_is_handled_before_anything_is_sent() -> None:
    def act(batch: ReadBatch, said: list[str]) -> None:
        for name in ("a", "b"):
            batch.add(Recorder(said, name), b"data")

    assert await in_one_turn(act) == ([], ["a handles 4", "b handles 4", "a flushes", "b flushes"])


async def test_a_batch_keeps_no_more_than_256_kib() -> None:
    def act(batch: ReadBatch, said: list[str]) -> None:
        batch.add(Recorder(said, "a"), bytes(262_144))
        assert said == []
        batch.add(Recorder(said, "b"), b"data")

    whole = ["a handles 262144", "b handles 4", "a flushes", "b flushes"]
    assert await in_one_turn(act) == (whole, whole)


async def test_a_connection_with_a_bug_ends_alone(caplog: pytest.LogCaptureFixture) -> None:
    def answer(request: Request) -> HttpAnswer:
        if request.body == b"fail":
            raise ValueError
        return HttpAnswer(200, (), request.body)

    async with asyncio.timeout(DEADLINE):
        listener = Listener(_not_asked, address="127.0.0.1", port=0, tls=None, handlers={b"/mutate": answer})
        port = await listener.start()
        streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        # Both arrive in one turn.
        for (_, writer), body in zip(streams, (b"fail", b"body"), strict=True):
            writer.write(REQUEST.replace(b"body", body))
        answers = [await reader.read(4096) for reader, _ in streams]
        assert answers[0] == b""
        assert answers[1].endswith(b"body")
        for _, writer in streams:
            writer.close()
        await listener.stop(1)
    assert [record.message for record in caplog.records] == ["a connection ends: a bug in the webhook"]


async def _not_asked(_scope: object, _receive: object, _send: object) -> None:
    raise AssertionError


@pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"])
async def test_a_request_that_comes_with_the_end_of_its_connection_is_answered() -> None:
    now = datetime.now(UTC)
    leaf = issue_leaf(issue_ca(now, common_name="test"), Names(("localhost",)), now)
    taken: list[bytes] = []

    def answer(request: Request) -> HttpAnswer:
        taken.append(request.body)
        return HttpAnswer(200, (), b"")

    async with asyncio.timeout(DEADLINE):
        tls = load_pair(leaf, TlsSettings()).context
        handlers = {b"/mutate": answer}
        listener = Listener(_not_asked, address="127.0.0.1", port=0, tls=tls, handlers=handlers)
        reader, writer = await asyncio.open_connection("127.0.0.1", await listener.start())
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = ssl._create_unverified_context().wrap_bio(received, sent)
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
        writer.write(sent.read())
        while client.version() is None or not sent.pending:
            received.write(await reader.read(65536))
            with suppress(ssl.SSLWantReadError):
                client.do_handshake()
        client.write(REQUEST)
        with suppress(ssl.SSLWantReadError):
            client.unwrap()
        # One segment: the end of the handshake, the request, and close_notify.
        writer.write(sent.read())
        while data := await reader.read(65536):
            received.write(data)
        assert taken == [b"body"]
        writer.close()
        await listener.stop(1)
