"""Who gives way: connections to new ones, bodies without progress to bodies that come."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import cast

import pytest

from tests.server.http.conftest import every_loop
from tests.server.http.serving import GET, POST, App, connect, serving, until
from webhook.server.http.connection import Phase
from webhook.server.http.limits import Limits
from webhook.server.http.occupancy import Occupancy, Occupant

HELD = b"GET /held HTTP/1.1\r\nHost: webhook\r\n\r\n"


@dataclass(eq=False)
class Connection:
    """An occupant that notes what is asked of it."""

    phase: Phase = "idle"
    quiet_since: float = 0.0
    body_size: int = 0
    goes: bool = True
    held: int = 0
    asked: list[str] = field(default_factory=list)
    occupancy: Occupancy | None = None

    def give_way(self) -> bool:
        self.asked.append("give way")
        return self.goes

    def refuse_body(self) -> None:
        self.asked.append("refuse")
        self.body_size = 0
        if self.occupancy is not None:
            self.occupancy.hold(self, 0)


def full(*connections: Connection, **limits: float) -> Occupancy:
    """As many connections as may be."""
    occupancy = Occupancy(Limits(max_connections=len(connections), **limits))  # type: ignore[arg-type]
    occupancy.connections |= set(cast("tuple[Occupant, ...]", connections))
    return occupancy


@pytest.mark.parametrize(
    ("connections", "gives_way"),
    [
        ([Connection("idle", 5), Connection("idle", 3), Connection("idle", 4)], [1, 2, 0]),
        ([Connection("idle", 1), Connection("reading", 8)], [1, 0]),
        ([Connection("idle", 1), Connection("unused", 8), Connection("closing", 7)], [2, 1, 0]),
        ([Connection("answering", 1), Connection("idle", 2)], [1]),
        ([Connection("idle", 9.5), Connection("reading", 9.5), Connection("idle", 8.9)], [2]),
        ([Connection("answering", 0)], []),
    ],
    ids=[
        "the longest idle first",
        "who keeps us waiting before who is idle",
        "whoever keeps us waiting, the longest first",
        "never who waits for an answer",
        "never who was active in the last second",
        "nobody, and the new one is refused",
    ],
)
def test_the_quietest_connections_give_way(connections: list[Connection], gives_way: list[int]) -> None:
    occupancy = full(*connections)
    assert occupancy.has_place(10.0) == bool(gives_way)
    assert [index for index, one in enumerate(connections) if one.asked] == sorted(gives_way)
    assert occupancy.evicted_connections == len(gives_way)
    assert occupancy.refused_connections == (not gives_way)


def test_only_some_give_way_at_a_time_in_the_order_of_their_silence() -> None:
    connections = [Connection("idle", number / 100) for number in range(100)]
    occupancy = full(*reversed(connections))
    assert occupancy.has_place(10.0)
    assert [number for number, one in enumerate(connections) if one.asked] == list(range(16))
    assert len(occupancy.connections) == 84


def test_a_connection_with_a_request_on_its_way_stays() -> None:
    occupancy = full(Connection("idle", 1, goes=False))
    assert not occupancy.has_place(10.0)
    assert (occupancy.evicted_connections, occupancy.refused_connections) == (0, 1)


def test_the_body_without_progress_for_the_longest_time_gives_way() -> None:
    connections = [Connection("reading", quiet, 400) for quiet in (3.0, 1.0, 2.0)]
    occupancy = full(*connections, body_memory=1000)
    for one in connections:
        one.occupancy = occupancy
        occupancy.hold(one, 400)
    assert [one.asked for one in connections] == [[], ["refuse"], []]
    assert (occupancy.body_memory, occupancy.refused_bodies) == (800, 1)
    # What is freed needs no other to give way.
    occupancy.hold(connections[0], 100)
    assert (occupancy.body_memory, occupancy.refused_bodies) == (500, 1)


def test_bodies_that_are_being_answered_do_not_give_way() -> None:
    answering, new = Connection("answering", 1), Connection("reading", 2, 100)
    occupancy = full(answering, new, body_memory=1000)
    new.occupancy = occupancy
    occupancy.hold(answering, 950)
    occupancy.hold(new, 100)
    assert (answering.asked, new.asked) == ([], ["refuse"])
    assert occupancy.body_memory == 950


# The same with connections


@every_loop
async def test_idle_and_stalled_connections_do_not_shut_others_out() -> None:
    app = App()
    async with AsyncExitStack() as stack:
        listener, port = await stack.enter_async_context(serving(app, max_connections=20, give_way_after=0.0))
        answering = await stack.enter_async_context(connect(port))
        await answering.send(HELD)
        await app.entered.wait()
        for number in range(19):
            client = await stack.enter_async_context(connect(port))
            if number % 3 == 0:
                await client.ask(POST)
            elif number % 3 == 1:
                await client.send(POST[:-1])
        await until(lambda: listener.open_connections == 20)
        for _ in range(60):
            client = await stack.enter_async_context(connect(port))
            assert (await client.ask(POST))[1] == b"4"
        assert listener.occupancy.refused_connections == 0
        assert listener.occupancy.evicted_connections >= 60
        app.release.set()
        assert (await answering.answer())[1] == b"0"


@every_loop
async def test_bodies_that_stall_do_not_starve_one_that_comes() -> None:
    head = b"POST /mutate HTTP/1.1\r\nHost: webhook\r\nContent-Length: %d\r\n\r\n"

    async with AsyncExitStack() as stack:
        listener, port = await stack.enter_async_context(serving(App(), body_memory=1 << 20))
        stalled = [await stack.enter_async_context(connect(port)) for _ in range(12)]
        # Six of them fit. Each comes before the next is sent, so that the first has stalled for the longest time.
        for number, client in enumerate(stalled, start=1):
            await client.send(head % 200_000 + bytes(150_000))
            fits = min(number, 6)
            await until(
                lambda fits=fits, refused=number - fits: (  # type: ignore[misc]
                    (listener.occupancy.body_memory, listener.occupancy.refused_bodies) == (fits * 150_000, refused)
                )
            )
        good = await stack.enter_async_context(connect(port))
        assert (await good.ask(head % 700_000 + bytes(700_000)))[1] == b"700000"
        assert listener.occupancy.refused_bodies > 6
        code, reason = await stalled[0].answer()
        assert code.startswith("http/1.1 503 service unavailable\r\n")
        assert reason == b"too many bodies are under way, and this one made no progress\n"
        assert await stalled[0].closed() == b""
        # The memory of those that were refused is free, and a connection that ends gives its own back.
        assert listener.occupancy.body_memory <= 6 * 150_000
        for client in stalled:
            client.writer.close()
        await until(lambda: listener.occupancy.body_memory == 0)


@every_loop
async def test_a_body_under_an_answer_that_is_awaited_counts() -> None:
    app = App()
    async with serving(app) as (listener, port), connect(port) as client:
        await client.send(b"POST /held HTTP/1.1\r\nHost: w\r\nContent-Length: 5000\r\n\r\n" + bytes(5000) + POST)
        await app.entered.wait()
        await until(lambda: listener.occupancy.body_memory == 5004)
        await client.send(GET[:10])
        app.release.set()
        assert [(await client.answer())[1] for _ in range(2)] == [b"5000", b"4"]
        assert listener.occupancy.body_memory == 0


@every_loop
async def test_a_client_that_leaves_while_its_answer_is_awaited_gives_its_memory_back_with_the_answer() -> None:
    app = App()
    async with serving(app) as (listener, port):
        async with connect(port) as client:
            await client.send(b"POST /held HTTP/1.1\r\nHost: w\r\nContent-Length: 5000\r\n\r\n" + bytes(5000))
            await app.entered.wait()
        await until(lambda: listener.open_connections == 0)
        assert listener.occupancy.body_memory == 5000
        app.release.set()
        await until(lambda: not listener._shared.tasks)
        assert listener.occupancy.body_memory == 0


async def test_a_body_that_comes_byte_by_byte_is_one_buffer_and_no_progress() -> None:
    from webhook.server.http.request_reader import RequestReader  # noqa: PLC0415

    reader = RequestReader(Limits(), lambda _: None, lambda _: None)
    reader.feed(b"POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 50000\r\n\r\n")
    started = reader.progressed_at
    for _ in range(16_383):
        reader.feed(b"x")
    assert (reader.progressed_at, reader.body_size) == (started, 16_383)
    assert type(reader._body) is bytearray
    await asyncio.sleep(0)
    reader.feed(b"x")
    assert reader.progressed_at > started
