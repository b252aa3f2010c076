"""How long a watch waits before it tries again."""

import asyncio

import pytest

from tests.cluster.api_server import (
    ApiServer,
    Step,
    bookmark,
    event,
    fails,
    failure,
    lists,
    meta,
    until,
    watches,
)
from tests.cluster.watching import Sleeps, cuts, ends, watching
from webhook.cluster.watch import Pace


async def test_waits_longer_each_time_if_watches_end_at_once_without_events() -> None:
    server = ApiServer([lists(), *[watches(then=ends)] * 6])
    sleeps = Sleeps()
    async with watching(server, Pace(first_delay=1, max_delay=8), sleep=sleeps):
        await server.wait_for_requests(8)
    assert len(sleeps.seconds) == 6
    for seconds, most in zip(sleeps.seconds, [1, 2, 4, 8, 8, 8], strict=True):
        assert most / 2 <= seconds <= most


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
