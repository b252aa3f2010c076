import asyncio

import pytest

from tests.cluster.api_server import ApiServer, bookmark, client_of, event, fails, lists, meta, watches
from tests.server.object_server import SECRETS
from webhook.cluster.background import running
from webhook.cluster.resource import METADATA, METADATA_LIST, Resource
from webhook.cluster.watch import Pace
from webhook.server.certificates.object_watch import watch_object

QUICK = Pace(first_delay=0.001, max_delay=0.002)
SECRET = Resource("secrets", "eks", "tls")


class Woken:
    """Counts its calls; a test can wait for a number of them."""

    def __init__(self) -> None:
        self.times = 0
        self._calls: asyncio.Queue[None] = asyncio.Queue()

    def __call__(self) -> None:
        self._calls.put_nowait(None)

    async def wait_for(self, times: int) -> None:
        async with asyncio.timeout(20):
            while self.times < times:
                await self._calls.get()
                self.times += 1

    @property
    def is_quiet(self) -> bool:
        return self._calls.empty()


async def test_asks_for_the_metadata_of_one_object() -> None:
    server = ApiServer([lists(meta("tls"))])
    woken = Woken()
    async with (
        server.running(),
        client_of(server) as client,
        running(watch_object(client, SECRET, woken, QUICK).run()),
    ):
        await server.wait_for_requests(2)
    for request, accept in zip(server.requests, (METADATA_LIST, METADATA), strict=True):
        assert request.path == SECRETS
        assert request.query["fieldSelector"] == "metadata.name=tls"
        assert request.headers["accept"] == accept


async def test_wakes_for_the_list_and_for_each_change_but_not_for_bookmarks() -> None:
    events = [
        event("ADDED", meta("tls", "11")),
        bookmark("12"),
        event("MODIFIED", meta("tls", "13")),
        bookmark("14"),
        event("DELETED", meta("tls", "15")),
    ]
    server = ApiServer([lists(), watches(*events)])
    woken = Woken()
    async with server.running(), client_of(server) as client:
        watch = watch_object(client, SECRET, woken, QUICK)
        async with running(watch.run()):
            await woken.wait_for(4)
            assert watch.events == 5
            assert woken.is_quiet


async def test_wakes_after_each_list_because_it_may_have_missed_changes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = ApiServer([lists(meta("tls")), fails(410, "Expired"), lists(), fails(403, "Forbidden")])
    woken = Woken()
    async with (
        server.running(),
        client_of(server) as client,
        running(watch_object(client, SECRET, woken, QUICK).run()),
    ):
        await server.wait_for_requests(5)
        await woken.wait_for(2)
        assert woken.is_quiet
    assert 'verbs: ["watch"], resourceNames: ["tls"] in a Role in namespace eks' in caplog.text
