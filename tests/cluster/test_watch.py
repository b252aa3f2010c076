import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.cluster.api_server import (
    Answer,
    ApiServer,
    Request,
    Step,
    bookmark,
    client_of,
    event,
    fails,
    failure,
    hang,
    lists,
    meta,
    until,
    watches,
)
from webhook.cluster.collection import Collection, ObjectMeta, PartialObject
from webhook.cluster.resource import METADATA, METADATA_LIST, Resource
from webhook.cluster.running import running
from webhook.cluster.watch import Pace, Watch

ACCOUNTS = Collection(Resource("serviceaccounts"), PartialObject, METADATA_LIST, METADATA)
QUICK = Pace(first_delay=0.001, max_delay=0.002, silence=20)


class Recorder:
    """A sink that records names with their versions, and all its states."""

    def __init__(self) -> None:
        self.state: dict[str, str] = {}
        self.history: list[dict[str, str]] = []
        self.changed = asyncio.Event()

    def begin(self) -> "RecorderListing":
        return RecorderListing(self)

    def put(self, item: PartialObject) -> None:
        self.become({**self.state, item.metadata.name: item.metadata.resourceVersion})

    def skip(self, meta: ObjectMeta, size: int) -> None:
        self.become({**self.state, meta.name: f"{meta.resourceVersion}: {size} bytes"})

    def delete(self, meta: ObjectMeta) -> None:
        self.become({name: version for name, version in self.state.items() if name != meta.name})

    def become(self, state: dict[str, str]) -> None:
        self.state = state
        self.history.append(state)
        self.changed.set()

    async def wait_for(self, state: dict[str, str]) -> None:
        async with asyncio.timeout(20):
            while self.state != state:
                self.changed.clear()
                await self.changed.wait()


class RecorderListing:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._state: dict[str, str] = {}

    def add(self, items: Sequence[PartialObject]) -> None:
        self._state.update({item.metadata.name: item.metadata.resourceVersion for item in items})

    def skip(self, meta: ObjectMeta, size: int) -> None:
        self._state[meta.name] = f"{meta.resourceVersion}: {size} bytes"

    def commit(self) -> None:
        self._recorder.become(self._state)


class Sleeps:
    """Replaces sleeping: records the seconds instead."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@asynccontextmanager
async def watching(
    server: ApiServer, pace: Pace = QUICK, **more: Any
) -> AsyncIterator[tuple[Watch[PartialObject], Recorder]]:
    recorder = Recorder()
    async with server.running(), client_of(server) as client:
        watch = Watch(client, ACCOUNTS, recorder, pace, **more)
        async with running(watch.run()):
            yield watch, recorder


async def ends(_request: Request, answer: Answer) -> None:
    await answer.end()


async def cuts(_request: Request, answer: Answer) -> None:
    await answer.cut()


async def test_lists_page_by_page_and_watches_from_the_version_of_the_list() -> None:
    server = ApiServer([lists(meta("a"), token="t1"), lists(meta("b"), token="t2"), lists(meta("c"), version="12")])
    async with watching(server) as (watch, recorder):
        await server.wait_for_requests(4)
        assert recorder.history == [{"a": "1", "b": "1", "c": "1"}]
        assert watch.is_synced
        assert watch.age is not None
    first, second, third, follow = server.requests
    assert [request.path for request in server.requests] == ["/api/v1/serviceaccounts"] * 4
    assert first.query == {"limit": "250"}
    assert second.query == {"limit": "250", "continue": "t1"}
    assert third.query == {"limit": "250", "continue": "t2"}
    assert first.headers["accept"] == METADATA_LIST
    assert follow.headers["accept"] == METADATA
    assert 300 <= int(follow.query.pop("timeoutSeconds")) <= 600
    assert follow.query == {"watch": "1", "resourceVersion": "12", "allowWatchBookmarks": "true"}


async def test_applies_each_kind_of_event_and_ignores_one_that_it_does_not_know() -> None:
    events = [
        event("ADDED", meta("b", "11")),
        event("MODIFIED", meta("a", "12")),
        event("NOVELTY", {"strange": True}),
        event("DELETED", meta("b", "13")),
        event("ADDED", meta("b", "14")),
    ]
    server = ApiServer([lists(meta("a")), watches(*events)])
    async with watching(server) as (watch, recorder):
        await recorder.wait_for({"a": "12", "b": "14"})
        assert recorder.history == [
            {"a": "1"},
            {"a": "1", "b": "11"},
            {"a": "12", "b": "11"},
            {"a": "12"},
            {"a": "12", "b": "14"},
        ]
        assert watch.events == 4


async def test_continues_from_a_bookmark_when_the_server_ends_the_watch() -> None:
    server = ApiServer([lists(), watches(bookmark("opaque-77"), then=ends)])
    sleeps = Sleeps()
    async with watching(server, sleep=sleeps) as (watch, _):
        await server.wait_for_requests(3)
        assert server.requests[2].query["resourceVersion"] == "opaque-77"
        assert watch.restarts["ended"] == 1
        assert watch.restarts.total() == 1
        assert sleeps.seconds == []


async def test_waits_longer_each_time_if_watches_end_at_once_without_events() -> None:
    server = ApiServer([lists(), *[watches(then=ends)] * 6])
    sleeps = Sleeps()
    async with watching(server, Pace(first_delay=1, max_delay=8), sleep=sleeps):
        await server.wait_for_requests(8)
    assert len(sleeps.seconds) == 6
    for seconds, most in zip(sleeps.seconds, [1, 2, 4, 8, 8, 8], strict=True):
        assert most / 2 <= seconds <= most


async def test_continues_from_the_last_event_after_a_cut() -> None:
    server = ApiServer(
        [
            lists(meta("a")),
            watches(event("ADDED", meta("b", "11")), then=cuts),
            watches(event("ADDED", meta("c", "12"))),
        ]
    )
    async with watching(server) as (watch, recorder):
        await recorder.wait_for({"a": "1", "b": "11", "c": "12"})
        assert server.requests[2].query["resourceVersion"] == "11"
        assert (watch.restarts["cut"], watch.lists) == (1, 1)


async def test_a_cut_in_the_middle_of_an_event_loses_nothing() -> None:
    async def half(_request: Request, answer: Answer) -> None:
        await answer.raw(b'{"type":"ADDED","object":{"meta')
        await answer.end()

    server = ApiServer(
        [lists(), watches(event("ADDED", meta("a", "11")), then=half), watches(event("ADDED", meta("b", "12")))]
    )
    async with watching(server) as (watch, recorder):
        await recorder.wait_for({"a": "11", "b": "12"})
        assert server.requests[2].query["resourceVersion"] == "11"
        assert watch.restarts["cut"] == 1


async def test_events_come_whole_however_they_are_cut_into_packets() -> None:
    async def in_pieces(_request: Request, answer: Answer) -> None:
        text = b'{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"11"}}}\n' * 2
        for index in range(0, len(text), 7):
            await answer.raw(text[index : index + 7])
        await hang(_request, answer)

    server = ApiServer([lists(), watches(then=in_pieces)])
    async with watching(server) as (watch, recorder):
        await recorder.wait_for({"a": "11"})
        assert watch.restarts.total() == 0


async def test_a_connection_that_falls_silent_is_noticed() -> None:
    server = ApiServer([lists(), watches(event("ADDED", meta("a", "11")))])
    async with watching(server, Pace(first_delay=0.001, silence=0.05)) as (watch, recorder):
        await server.wait_for_requests(3)
        assert server.requests[2].query["resourceVersion"] == "11"
        assert watch.restarts["silent"] == 1
        assert recorder.state == {"a": "11"}


async def test_we_end_a_watch_that_the_server_does_not_end() -> None:
    async def chatters(_request: Request, answer: Answer) -> None:
        while True:
            await answer.events(bookmark("11"))
            await asyncio.sleep(0.01)

    server = ApiServer([lists(), watches(then=chatters)])
    async with watching(server, Pace(first_delay=0.001, watch_between=(0, 0), deadline_beyond=0.2)) as (watch, _):
        await server.wait_for_requests(3)
        assert watch.restarts["silent"] == 1


@pytest.mark.parametrize(
    "gone",
    [
        fails(410, "Expired"),
        watches(event("ERROR", failure(410, "Expired"))),
        watches(event("ERROR", failure(410, "Gone"))),
        fails(410, "Unheard"),
        watches(event("ERROR", failure(0, "Expired"))),
    ],
    ids=["by its status", "by an event", "by an event of old versions", "by its status alone", "by its reason alone"],
)
async def test_lists_again_when_the_version_is_gone_and_serves_the_old_state_until_the_new_one_is_complete(
    gone: Step,
) -> None:
    proceed = asyncio.Event()

    async def second_page(_request: Request, answer: Answer) -> None:
        await proceed.wait()
        await lists(meta("c", "20"), version="20")(_request, answer)

    server = ApiServer([lists(meta("a"), meta("b")), gone, lists(meta("b", "19"), token="t"), second_page])
    async with watching(server) as (watch, recorder):
        await server.wait_for_requests(4)
        assert recorder.state == {"a": "1", "b": "1"}
        assert watch.is_synced
        proceed.set()
        await server.wait_for_requests(5)
        assert recorder.history == [{"a": "1", "b": "1"}, {"b": "19", "c": "20"}]
        assert server.requests[4].query["resourceVersion"] == "20"
        assert (watch.restarts["expired"], watch.restarts.total(), watch.lists) == (1, 1, 2)


@pytest.mark.parametrize(
    ("gone", "waits"),
    [
        (fails(410, "Expired"), []),
        (watches(event("ERROR", failure(410, "Expired"))), []),
        (fails(410, "Expired", {"Retry-After": "30"}), [30]),
    ],
    ids=["by its status", "by an event", "unless it says how long to wait"],
)
async def test_lists_again_at_once_however_long_the_waits_of_the_last_outage_were(
    gone: Step, waits: list[float]
) -> None:
    outage = [fails(503, "ServiceUnavailable")] * 4
    server = ApiServer([lists(), *outage, gone, lists(meta("a"))])
    sleeps = Sleeps()
    async with watching(server, Pace(first_delay=1, max_delay=8), sleep=sleeps) as (watch, recorder):
        await recorder.wait_for({"a": "1"})
        assert watch.restarts["expired"] == 1
    assert sleeps.seconds[3] >= 4
    assert sleeps.seconds[4:] == waits


async def test_waits_before_it_lists_again_if_the_version_of_each_list_is_gone() -> None:
    server = ApiServer([lists(), *[fails(410, "Expired"), lists()] * 4])
    sleeps = Sleeps()
    async with watching(server, Pace(first_delay=1, max_delay=8), sleep=sleeps) as (watch, _):
        await until(lambda: watch.lists == 5)
    assert len(sleeps.seconds) == 3
    for seconds, most in zip(sleeps.seconds, [1, 2, 4], strict=True):
        assert most / 2 <= seconds <= most


@pytest.mark.parametrize("then", [ends, cuts])
async def test_after_a_successful_watch_a_version_that_is_gone_again_causes_no_wait(
    then: Step,
) -> None:
    went_well = watches(bookmark("11"), then=then)
    server = ApiServer([lists(), *[went_well, fails(410, "Expired"), lists()] * 3])
    sleeps = Sleeps()
    async with watching(server, Pace(first_delay=1, max_delay=8), sleep=sleeps) as (watch, _):
        await until(lambda: watch.lists == 4)
    # After a cut, the watch waits for the shortest time; neither case waits before it lists.
    assert [seconds for seconds in sleeps.seconds if seconds > 1] == []
    assert len(sleeps.seconds) == (3 if then is cuts else 0)


async def test_starts_the_list_over_in_larger_pages_when_its_continue_token_has_expired() -> None:
    server = ApiServer(
        [
            lists(meta("a"), token="t"),
            fails(410, "Expired"),
            lists(meta("b")),
            fails(410, "Expired"),
            lists(meta("c")),
        ]
    )
    async with watching(server) as (watch, recorder):
        await server.wait_for_requests(6)
        assert recorder.history == [{"b": "1"}, {"c": "1"}]
        assert [request.query.get("limit") for request in server.requests] == [
            "250",
            "250",
            "1000",
            None,
            "250",
            None,
        ]
        assert "continue" not in server.requests[2].query
        assert watch.restarts["expired"] == 2


async def test_an_error_event_of_another_kind_makes_it_list_again() -> None:
    server = ApiServer([lists(meta("a")), watches(event("ERROR", failure(500, "InternalError"))), lists(meta("b"))])
    async with watching(server) as (watch, recorder):
        await recorder.wait_for({"b": "1"})
        assert watch.restarts["refused"] == 1


@pytest.mark.parametrize("garbage", [b"<html>", b'{"type":"ADDED","object":{"metadata":7}}', b'{"type":"ADDED"}'])
async def test_an_invalid_event_makes_it_list_again(garbage: bytes) -> None:
    server = ApiServer([lists(meta("a")), watches(garbage), lists(meta("b"))])
    async with watching(server) as (watch, recorder):
        await recorder.wait_for({"b": "1"})
        assert watch.restarts["malformed"] == 1


async def test_a_line_without_an_end_is_not_held_in_memory() -> None:
    async def floods(_request: Request, answer: Answer) -> None:
        while True:
            await answer.raw(b"x" * 65536)

    server = ApiServer([lists(meta("a")), watches(then=floods), lists(meta("b"))])
    async with watching(server) as (watch, recorder):
        await recorder.wait_for({"b": "1"})
        assert watch.restarts["malformed"] == 1


async def test_an_object_that_is_too_large_is_skipped_and_the_watch_continues() -> None:
    huge = "<" * 60_000
    events = [
        event("ADDED", meta("large", "11", huge)),
        event("ADDED", meta("b", "12")),
        event("MODIFIED", meta("a", "13", huge)),
        event("ADDED", meta("c", "14")),
        event("DELETED", meta("a", "15", huge)),
        event("MODIFIED", meta("large", "16", huge)),
    ]

    server = ApiServer([lists(meta("a"), meta("b")), watches(*events, then=cuts)])
    async with watching(server) as (watch, recorder):
        await server.wait_for_requests(3)
        # The watch continues from the version of the large object.
        assert server.requests[2].query["resourceVersion"] == "16"
        large = [f"{version}: {size} bytes" for version, size in (("11", 360145), ("16", 360148))]
        assert recorder.history[1:] == [
            {"a": "1", "b": "1", "large": large[0]},
            {"a": "1", "b": "12", "large": large[0]},
            {"a": "13: 360144 bytes", "b": "12", "large": large[0]},
            {"a": "13: 360144 bytes", "b": "12", "large": large[0], "c": "14"},
            {"b": "12", "large": large[0], "c": "14"},
            {"b": "12", "large": large[1], "c": "14"},
        ]
        assert (watch.lists, watch.events, watch.restarts.total()) == (1, 6, 1)


@pytest.mark.parametrize("code", [429, 503])
async def test_waits_as_long_as_the_server_says(code: int) -> None:
    server = ApiServer(
        [fails(code, "TooManyRequests", {"Retry-After": "7"}), lists(), fails(code, "X", {"Retry-After": "9"})]
    )
    sleeps = Sleeps()
    async with watching(server, sleep=sleeps) as (watch, _):
        await server.wait_for_requests(4)
        assert sleeps.seconds == [7, 9]
        assert watch.restarts["throttled"] == 2
        assert server.requests[3].query["resourceVersion"] == "10"


async def test_keeps_trying_while_the_server_is_away_and_is_not_synced_meanwhile() -> None:
    server = ApiServer([cuts, cuts, fails(403, "Forbidden"), fails(500, "InternalError"), lists(meta("a"))])
    async with watching(server) as (watch, recorder):
        await server.wait_for_requests(3)
        assert not watch.is_synced
        await recorder.wait_for({"a": "1"})
        await asyncio.wait_for(watch.wait_synced(), 20)
        assert watch.restarts["denied"] == 1
        assert watch.restarts["refused"] == 1
        # Of two cuts in a row, aiohttp itself retries after the first.
        assert watch.restarts["cut"] in {1, 2}


async def test_the_wait_starts_over_after_a_success() -> None:
    server = ApiServer([*[fails(500, "X")] * 4, lists(), watches(bookmark("11"), then=cuts), lists()])
    sleeps = Sleeps()
    async with watching(server, Pace(first_delay=1, max_delay=8), sleep=sleeps):
        await server.wait_for_requests(7)
    assert [seconds <= most for seconds, most in zip(sleeps.seconds, [1, 2, 4, 8, 1], strict=True)] == [True] * 5
    assert sleeps.seconds[3] >= 4


async def test_a_list_without_a_version_is_malformed_and_changes_nothing() -> None:
    server = ApiServer([lists(meta("a"), version=""), lists(meta("b"))])
    async with watching(server) as (watch, recorder):
        await recorder.wait_for({"b": "1"})
        assert recorder.history == [{"b": "1"}]
        assert watch.restarts["malformed"] == 1


async def test_age_counts_from_the_last_message_of_the_server() -> None:
    now = [100.0]
    proceed = asyncio.Event()

    async def later(_request: Request, answer: Answer) -> None:
        await proceed.wait()
        await answer.events(event("ADDED", meta("a")))
        await hang(_request, answer)

    server = ApiServer([lists(), watches(bookmark("11"), then=later)])
    async with watching(server, clock=lambda: now[0]) as (watch, recorder):
        await until(lambda: watch.events == 1)
        assert watch.age == 0
        now[0] = 150
        assert watch.age == 50
        proceed.set()
        await recorder.wait_for({"a": "1"})
        assert watch.age == 0
        now[0] = 190
        assert watch.age == 40


class Broken(Recorder):
    def put(self, item: PartialObject) -> None:
        raise LookupError(f"a bug with {item.metadata.name}")


async def test_the_age_is_that_of_the_old_state_until_a_new_list_is_complete() -> None:
    now = [100.0]
    proceed = asyncio.Event()

    async def second_page(request: Request, answer: Answer) -> None:
        await proceed.wait()
        await lists(meta("b"))(request, answer)

    server = ApiServer([lists(meta("a")), watches(bookmark("11"), then=cuts), fails(410, "Expired")])
    server.steps += [lists(token="t"), second_page, fails(500, "X"), hang]
    async with watching(server, clock=lambda: now[0]) as (watch, recorder):
        await server.wait_for_requests(5)
        now[0] = 130
        assert watch.age == 30
        proceed.set()
        await recorder.wait_for({"b": "1"})
        assert watch.age == 30


async def test_a_bug_in_the_sink_is_logged_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    server = ApiServer([lists(), watches(event("ADDED", meta("a", "11"))), lists(meta("b"))])
    recorder = Broken()
    async with server.running(), client_of(server) as client:
        watch = Watch(client, ACCOUNTS, recorder, QUICK)
        async with running(watch.run()):
            await recorder.wait_for({"b": "1"})
    assert watch.restarts["bug"] == 1
    assert "the watch failed because of a bug" in caplog.text


async def test_cancelling_ends_it_at_once_wherever_it_is() -> None:
    for steps, count in (([], 1), ([lists()], 2), ([lists(token="t")], 2), ([lists(), watches()], 2)):
        server = ApiServer(steps)
        async with asyncio.timeout(5), watching(server):
            await server.wait_for_requests(count)
