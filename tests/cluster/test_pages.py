"""Lists with objects of any size that a tenant can create."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.cluster.api_server import Answer, ApiServer, Request, client_of, hang, meta, page
from webhook.cluster import pages
from webhook.cluster.api_errors import MalformedAnswer, TimedOut, TooLarge
from webhook.cluster.collection import Collection, ObjectMeta, PartialObject
from webhook.cluster.pages import PageReader
from webhook.cluster.resource import METADATA, METADATA_LIST, Resource

ACCOUNTS = Collection(Resource("serviceaccounts"), PartialObject, METADATA_LIST, METADATA, max_object=1000)
SMALL = ""
LARGE = "<" * 200
HUGE = "<" * 2000


class Listed:
    """Records the objects of a list, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def add(self, items: Sequence[PartialObject]) -> None:
        self.names += [item.metadata.name for item in items]

    def skip(self, meta: ObjectMeta, size: int) -> None:
        self.names.append(f"{meta.namespace}/{meta.name}: {size}")

    def commit(self) -> None:
        raise AssertionError("it is for the watch to say that")


class Paged:
    """An API server whose ServiceAccounts have these roles; `limits` records the `limit` of each request."""

    def __init__(self, *roles: str, slow_from: int | None = None) -> None:
        self.roles = roles
        self.limits: list[int] = []
        self._slow_from = slow_from
        self.server = ApiServer(every=self._answer)

    async def _answer(self, request: Request, answer: Answer) -> None:
        start, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        self.limits.append(limit)
        if self._slow_from is not None and limit >= self._slow_from:
            await hang(request, answer)
        end = min(start + limit, len(self.roles))
        items = [meta(f"a{number}", role=self.roles[number]) for number in range(start, end)]
        await answer.json(200, page(*items, version="77", token=str(end) if end < len(self.roles) else ""))

    async def read(self, limit: int) -> tuple[str, list[str]]:
        """Reads a list; returns its version and names."""
        listed = Listed()
        async with self.server.running(), client_of(self.server) as client:
            return await PageReader(client, ACCOUNTS).read_into(listed, limit), listed.names


def names(count: int) -> list[str]:
    return [f"a{number}" for number in range(count)]


async def test_a_page_that_is_too_large_is_requested_with_fewer_objects_until_they_are_small_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "_MAX_PAGE", 4000)
    paged = Paged(*[SMALL] * 16, *[LARGE] * 3, *[SMALL] * 29)
    # Each has about 1,300 bytes: a page with three is too large, and a page with one is too large for a higher limit.
    assert await paged.read(16) == (
        "77",
        names(16) + [f"apps/a{number}: 1316" for number in (16, 17, 18)] + names(48)[19:],
    )
    assert paged.limits == [16, 16, 2, 2, 2, 4, 8, 16]


async def test_an_object_that_is_larger_than_a_page_is_skipped_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_MAX_PAGE", 4000)
    paged = Paged(SMALL, HUGE, SMALL)
    assert await paged.read(8) == ("77", ["a0", "apps/a1: 12115", "a2"])
    assert paged.limits == [8, 1, 2, 1, 1]


async def test_an_object_that_is_larger_than_any_real_one_ends_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_MAX_PAGE", 4000)
    monkeypatch.setattr(pages, "MAX_BODY", 5000)
    paged = Paged(HUGE)
    with pytest.raises(TooLarge, match="list serviceaccounts: the answer is larger than 5000 bytes"):
        await paged.read(8)


async def test_a_page_that_takes_too_long_is_requested_with_fewer_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_SECONDS", 0.5)
    paged = Paged(*[SMALL] * 3, slow_from=9)
    assert await paged.read(64) == ("77", names(3))
    assert paged.limits == [64, 8]


async def test_an_api_server_that_hangs_ends_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_SECONDS", 0.05)
    with pytest.raises(TimedOut):
        await Paged(SMALL, slow_from=1).read(8)


async def test_an_empty_list_is_complete() -> None:
    async def null(_request: Request, answer: Answer) -> None:
        body: dict[str, Any] = {"metadata": {"resourceVersion": "5"}, "items": None}
        await answer.json(200, body)

    server, listed = ApiServer([null]), Listed()
    async with server.running(), client_of(server) as client:
        assert await PageReader(client, ACCOUNTS).read_into(listed, 8) == "5"
    assert listed.names == []


async def test_continue_tokens_that_go_round_in_a_loop_are_an_error() -> None:
    async def around(request: Request, answer: Answer) -> None:
        await answer.json(200, page(meta("a"), token="b" if request.query.get("continue") == "a" else "a"))

    server = ApiServer(every=around)
    async with server.running(), client_of(server) as client:
        reader = PageReader(client, ACCOUNTS)
        with pytest.raises(MalformedAnswer, match="its continue tokens go round in a loop"):
            async with asyncio.timeout(20):
                [None async for _ in reader.pages(10)]
    assert len(server.requests) == 3
