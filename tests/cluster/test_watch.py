"""A watch applies the events of the server, continues where it was cut, and knows its age."""

import asyncio

import pytest

from tests.cluster.api_server import (
    Answer,
    ApiServer,
    Request,
    bookmark,
    client_of,
    event,
    hang,
    lists,
    meta,
    until,
    watches,
)
from tests.cluster.watching import ACCOUNTS, QUICK, Recorder, Sleeps, cuts, ends, watching
from webhook.cluster.background import running
from webhook.cluster.collection import PartialObject
from webhook.cluster.resource import METADATA, METADATA_LIST
from webhook.cluster.watch import Pace, Watch


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
