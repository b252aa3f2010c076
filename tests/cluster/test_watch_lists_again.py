"""When a watch lists again, and which state it serves meanwhile."""

import asyncio

import pytest

from tests.cluster.api_server import (
    Answer,
    ApiServer,
    Request,
    Step,
    bookmark,
    event,
    fails,
    failure,
    hang,
    lists,
    meta,
    watches,
)
from tests.cluster.watching import cuts, watching


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


async def test_a_list_without_a_version_is_malformed_and_changes_nothing() -> None:
    server = ApiServer([lists(meta("a"), version=""), lists(meta("b"))])
    async with watching(server) as (watch, recorder):
        await recorder.wait_for({"b": "1"})
        assert recorder.history == [{"b": "1"}]
        assert watch.restarts["malformed"] == 1


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
