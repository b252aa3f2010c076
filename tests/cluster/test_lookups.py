import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from webhook.admission.identity import ServiceAccount
from webhook.cluster.api_errors import Unreachable
from webhook.cluster.lookups import Lookups
from webhook.errors import LookupFailed


class Reads:
    """Reads that a test answers one by one; `started` lists them in the order of their start."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str]] = []
        self._answers: dict[tuple[str, str], asyncio.Future[ServiceAccount | None]] = {}
        self._changed = asyncio.Condition()

    async def __call__(self, namespace: str, name: str) -> ServiceAccount | None:
        self.started.append((namespace, name))
        future: asyncio.Future[ServiceAccount | None] = asyncio.get_running_loop().create_future()
        self._answers[namespace, name] = future
        async with self._changed:
            self._changed.notify_all()
        return await future

    def answer(self, namespace: str, name: str, *, role: str = "r") -> None:
        self._answers[namespace, name].set_result(ServiceAccount(namespace, name, {"role-arn": role}))

    def answer_none(self, namespace: str, name: str) -> None:
        self._answers[namespace, name].set_result(None)

    def fail(self, namespace: str, name: str, error: Exception) -> None:
        self._answers[namespace, name].set_exception(error)

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: len(self.started) >= count)


@asynccontextmanager
async def looking_up(**limits: Any) -> AsyncIterator[tuple[Reads, Lookups, asyncio.TaskGroup]]:
    reads = Reads()
    lookups = Lookups(reads, **{"seconds": 20, **limits})
    async with asyncio.TaskGroup() as callers:
        yield reads, lookups, callers
    await lookups.close()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_callers_that_come_before_a_read_starts_share_it() -> None:
    async with looking_up(max_concurrent=1) as (reads, lookups, callers):
        first = callers.create_task(lookups.find("n", "busy"))
        await reads.wait_for(1)
        tasks = [callers.create_task(lookups.find("n", "a")) for _ in range(50)]
        await settle()
        assert (lookups.waiting, lookups.in_flight) == (1, 1)
        reads.answer("n", "busy")
        await reads.wait_for(2)
        reads.answer("n", "a")
        assert [await task for task in tasks] == [ServiceAccount("n", "a", {"role-arn": "r"})] * 50
        assert (await first) is not None
    assert reads.started == [("n", "busy"), ("n", "a")]
    assert (lookups.waiting, lookups.in_flight, lookups.rejected) == (0, 0, 0)


async def test_reads_of_one_namespace_that_take_long_leave_places_for_others() -> None:
    async with looking_up(max_concurrent=4, max_concurrent_of_one=2) as (reads, lookups, callers):
        for number in range(5):
            callers.create_task(lookups.find("slow", f"a{number}"))
        callers.create_task(lookups.find("other", "app"))
        await reads.wait_for(3)
        await settle()
        assert reads.started == [("slow", "a0"), ("slow", "a1"), ("other", "app")]
        assert (lookups.in_flight, lookups.waiting) == (3, 3)
        reads.answer("other", "app")
        reads.answer("slow", "a1")
        await reads.wait_for(4)
        await settle()
        assert reads.started[3:] == [("slow", "a2")]
        for count, name in enumerate(("a0", "a2", "a3", "a4"), start=4):
            await reads.wait_for(min(count, 6))
            reads.answer("slow", name)
    assert len(reads.started) == 6
    assert (lookups.waiting, lookups.in_flight, lookups._in_flight_of) == (0, 0, {})


async def test_a_caller_that_comes_after_a_read_started_gets_one_that_starts_later() -> None:
    async with looking_up() as (reads, lookups, callers):
        early = callers.create_task(lookups.find("n", "a"))
        await reads.wait_for(1)
        late = [callers.create_task(lookups.find("n", "a")) for _ in range(50)]
        await settle()
        assert len(reads.started) == 1
        # The ServiceAccount is created after the first read.
        reads.answer_none("n", "a")
        await reads.wait_for(2)
        reads.answer("n", "a")
        assert await early is None
        assert [await task for task in late] == [ServiceAccount("n", "a", {"role-arn": "r"})] * 50
    assert len(reads.started) == 2


async def test_no_answer_is_cached_for_the_next_caller() -> None:
    async with looking_up() as (reads, lookups, callers):
        for count in (1, 2):
            task = callers.create_task(lookups.find("n", "a"))
            await reads.wait_for(count)
            reads.answer_none("n", "a")
            assert await task is None


async def test_namespaces_take_turns_so_that_a_flood_of_one_delays_another_by_one_read() -> None:
    async with looking_up(max_concurrent=1) as (reads, lookups, callers):
        for number in range(100):
            callers.create_task(lookups.find("flood", f"s{number}"))
        await reads.wait_for(1)
        callers.create_task(lookups.find("quiet", "a"))
        callers.create_task(lookups.find("other", "b"))
        await settle()
        for count in range(1, 103):
            await reads.wait_for(count)
            reads.answer(*reads.started[-1])
            await settle()
    assert reads.started[:5] == [("flood", "s0"), ("flood", "s1"), ("quiet", "a"), ("other", "b"), ("flood", "s2")]
    assert len(reads.started) == 102


async def test_never_more_reads_at_a_time_than_allowed() -> None:
    async with looking_up(max_concurrent=3) as (reads, lookups, callers):
        for number in range(10):
            callers.create_task(lookups.find(f"n{number}", "a"))
        await reads.wait_for(3)
        await settle()
        assert (lookups.in_flight, lookups.waiting, len(reads.started)) == (3, 7, 3)
        for count in range(10):
            await reads.wait_for(count + 1)
            reads.answer(*reads.started[count])


async def test_if_too_many_wait_the_namespace_with_the_most_is_refused_and_not_the_newcomer() -> None:
    async with looking_up(max_concurrent=1, max_waiting=3) as (reads, lookups, callers):
        flood = [asyncio.create_task(lookups.find("flood", f"s{number}")) for number in range(4)]
        await reads.wait_for(1)
        quiet = callers.create_task(lookups.find("quiet", "a"))
        with pytest.raises(LookupFailed, match="flood/s3: 3 lookups are already waiting"):
            await flood[3]
        assert (lookups.waiting, lookups.rejected) == (3, 1)
        with pytest.raises(LookupFailed, match="flood/s4: "):
            await lookups.find("flood", "s4")
        for count in range(1, 5):
            await reads.wait_for(count)
            reads.answer(*reads.started[-1])
        assert await quiet == ServiceAccount("quiet", "a", {"role-arn": "r"})
        await asyncio.gather(*flood[:3])
    assert reads.started == [("flood", "s0"), ("flood", "s1"), ("quiet", "a"), ("flood", "s2")]


async def test_a_cancelled_caller_does_not_affect_the_others() -> None:
    async with looking_up(max_concurrent=1) as (reads, lookups, callers):
        callers.create_task(lookups.find("n", "busy"))
        leaving = asyncio.create_task(lookups.find("n", "a"))
        staying = callers.create_task(lookups.find("n", "a"))
        await reads.wait_for(1)
        reads.answer("n", "busy")
        await reads.wait_for(2)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        reads.answer("n", "a")
        assert await staying == ServiceAccount("n", "a", {"role-arn": "r"})


async def test_a_read_that_nobody_waits_for_is_not_started() -> None:
    async with looking_up(max_concurrent=1) as (reads, lookups, callers):
        busy = callers.create_task(lookups.find("n", "busy"))
        await reads.wait_for(1)
        gone = [asyncio.create_task(lookups.find("n", name)) for name in ("a", "b", "busy")]
        await settle()
        assert lookups.waiting == 3
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        assert lookups.waiting == 0
        reads.answer("n", "busy")
        await busy
        await settle()
        assert reads.started == [("n", "busy")]


async def test_nobody_waits_longer_than_allowed_in_the_queue_either() -> None:
    lookups = Lookups(Reads(), seconds=0.05, max_concurrent=1)
    results = await asyncio.gather(*(lookups.find("n", name) for name in ("a", "b", "c")), return_exceptions=True)
    assert [str(result) for result in results] == [
        f"ServiceAccount n/{name}: no answer from the API server within 0.05 s" for name in ("a", "b", "c")
    ]
    assert {type(result) for result in results} == {LookupFailed}
    await lookups.close()
    assert (lookups.waiting, lookups.in_flight) == (0, 0)


async def test_an_api_error_fails_the_lookups_of_all_callers_that_share_it() -> None:
    async with looking_up(max_concurrent=1) as (reads, lookups, callers):
        callers.create_task(lookups.find("n", "busy"))
        tasks = [asyncio.create_task(lookups.find("n", "a")) for _ in range(2)]
        await reads.wait_for(1)
        reads.answer("n", "busy")
        await reads.wait_for(2)
        reads.fail("n", "a", Unreachable("it is away"))
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(result) for result in results] == ["ServiceAccount n/a: it is away"] * 2
        assert isinstance(results[0], LookupFailed)
        assert isinstance(results[0].__cause__, Unreachable)


async def test_a_bug_while_reading_reaches_the_caller_and_frees_the_slot() -> None:
    async with looking_up(max_concurrent=1) as (reads, lookups, _):
        task = asyncio.create_task(lookups.find("n", "a"))
        await reads.wait_for(1)
        reads.fail("n", "a", KeyError("a bug"))
        with pytest.raises(KeyError):
            await task
        assert lookups.in_flight == 0


async def test_closing_fails_all_waiting_callers() -> None:
    reads = Reads()
    lookups = Lookups(reads, seconds=20, max_concurrent=1)
    tasks = [asyncio.create_task(lookups.find("n", name)) for name in ("a", "b", "a")]
    await reads.wait_for(1)
    await settle()
    await lookups.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {LookupFailed}
    assert (lookups.waiting, lookups.in_flight) == (0, 0)
