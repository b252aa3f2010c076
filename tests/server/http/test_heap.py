"""Memory that connections took goes back to the system."""

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path

import pytest

from webhook.server.http import heap, listener
from webhook.server.http.listener import Listener


def resident() -> int:
    """The process's memory, in MB."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096 // 1_000_000


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # nothing signals these conditions
        await asyncio.sleep(0)


def test_free_memory_below_a_survivor_is_returned() -> None:
    blocks = [bytes(2000) for _ in range(50_000)]
    survivor = blocks[-1]
    del blocks
    gc.collect()
    before = resident()
    heap.trim()
    assert before - resident() > 50
    assert len(survivor) == 2000


@pytest.mark.parametrize(("closed", "trims"), [(63, 0), (64, 1)])
async def test_the_heap_is_trimmed_once_many_connections_are_gone(
    closed: int, trims: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    trimmed: list[int] = []

    async def application(_scope: object, receive: object, _send: object) -> None:
        await receive()  # type: ignore[operator]

    assert listener.CLOSED_TO_TRIM == 64
    async with asyncio.timeout(60):
        server = Listener(application, address="127.0.0.1", port=0, tls=None)
        monkeypatch.setattr(heap, "_malloc_trim", lambda _: trimmed.append(server.open_connections))
        port = await server.start()
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(closed + 2)]
        await until(lambda: server.open_connections == closed + 2)
        server._trim_heap()
        for _, writer in opened[:closed]:
            writer.close()
        await until(lambda: server.open_connections == 2)
        for _ in range(2):
            server._trim_heap()
        assert trimmed == [2] * trims
        for _, writer in opened[closed:]:
            writer.close()
        await server.stop(1)
