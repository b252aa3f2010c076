"""What arrives in one turn of the event loop: taken up together, and nothing lost."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import uvloop

from certs.issue import Names, issue_ca, issue_leaf
from webhook.server.http_answer import HttpAnswer
from webhook.server.listener import Listener
from webhook.server.tls import load_pair
from webhook.server.tls_settings import TlsSettings
from webhook.server.turn import Turn

REQUEST = b"POST /mutate HTTP/1.1\r\nHost: webhook\r\nContent-Length: 4\r\n\r\nbody"
DEADLINE = 30


class Recorder:
    """A connection that says what is asked of it."""

    def __init__(self, said: list[str], name: str, *, fails: bool = False) -> None:
        self.loop = asyncio.get_running_loop()
        self.said, self.name, self.fails = said, name, fails

    def take_up(self, data: bytes) -> None:
        self.said.append(f"{self.name} takes {len(data)}")
        if self.fails:
            raise ValueError(self.name)

    def send(self) -> None:
        self.said.append(f"{self.name} sends")

    def abort(self) -> None:
        self.said.append(f"{self.name} ends")


def in_one_turn(act: Callable[[Turn, list[str]], None]) -> tuple[list[str], list[str]]:
    """What connections were asked within the turn, and by its end."""

    async def test() -> tuple[list[str], list[str]]:
        turn, said = Turn(), list[str]()
        act(turn, said)
        at_first = said.copy()
        await asyncio.sleep(0)
        return at_first, said

    return asyncio.run(test())


def test_all_is_taken_up_before_anything_is_sent() -> None:
    def act(turn: Turn, said: list[str]) -> None:
        for name in ("a", "b"):
            turn.add(Recorder(said, name), b"data")

    assert in_one_turn(act) == ([], ["a takes 4", "b takes 4", "a sends", "b sends"])


def test_a_turn_keeps_no_more_than_256_kib() -> None:
    def act(turn: Turn, said: list[str]) -> None:
        turn.add(Recorder(said, "a"), bytes(262_144))
        assert said == []
        turn.add(Recorder(said, "b"), b"data")

    whole = ["a takes 262144", "b takes 4", "a sends", "b sends"]
    assert in_one_turn(act) == (whole, whole)


def test_a_connection_that_fails_ends_alone(caplog: pytest.LogCaptureFixture) -> None:
    def act(turn: Turn, said: list[str]) -> None:
        turn.add(Recorder(said, "a", fails=True), b"data")
        turn.add(Recorder(said, "b"), b"data")

    _, said = in_one_turn(act)
    assert said == ["a takes 4", "a ends", "b takes 4", "a sends", "b sends"]
    assert [record.message for record in caplog.records] == ["a connection ends: a bug in the webhook"]


@pytest.mark.parametrize("new_event_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_request_that_comes_with_the_end_of_its_connection_is_answered(
    new_event_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    now = datetime.now(UTC)
    leaf = issue_leaf(issue_ca(now, common_name="test"), Names(("localhost",)), now)
    taken: list[bytes] = []

    def answer(_scope: object, body: bytes) -> HttpAnswer:
        taken.append(body)
        return HttpAnswer(200, (), b"")

    async def application(_scope: object, _receive: object, _send: object) -> None:
        raise AssertionError

    async def test() -> None:
        tls = load_pair(leaf, TlsSettings()).context
        listener = Listener(application, address="127.0.0.1", port=0, tls=tls, at_once=answer)
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

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(asyncio.wait_for(test(), DEADLINE))
