"""Runs a watch on a scripted API server, and records what it delivers and how long it waits."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.cluster.api_server import (
    Answer,
    ApiServer,
    Request,
    client_of,
)
from webhook.cluster.background import running
from webhook.cluster.collection import Collection, ObjectMeta, PartialObject
from webhook.cluster.resource import METADATA, METADATA_LIST, Resource
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
