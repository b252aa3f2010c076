"""ServiceAccounts from the watch and from live reads: waiting for late ones, and leaving out large ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.cluster.api_server import (
    Answer,
    ApiServer,
    Request,
    client_of,
    event,
    fails,
    hang,
    meta,
    page,
    until,
)
from webhook.admission.identity import ServiceAccount
from webhook.admission.mapping import NO_MAPPING
from webhook.admission.settings import Settings
from webhook.cluster.accounts import ClusterAccounts
from webhook.cluster.lookup_grace import LookupGrace
from webhook.cluster.resource import METADATA
from webhook.cluster.watch import Pace
from webhook.errors import LookupFailed

ROLE = "arn:aws:iam::123456789012:role/app"
QUICK = Pace(first_delay=0.001, max_delay=0.002, silence=20)


class Cluster:
    """An API server with the test's ServiceAccounts; a watch gets the events that the test puts into `events`."""

    def __init__(self, *items: Any) -> None:
        self.items = {(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in items}
        self.events: asyncio.Queue[object] = asyncio.Queue()
        self.gets: list[str] = []
        self.server = ApiServer(every=self._answer)

    async def _answer(self, request: Request, answer: Answer) -> None:
        if "watch" in request.query:
            await answer.watch()
            while True:
                await answer.events(await self.events.get())
        elif request.path == "/api/v1/serviceaccounts":
            await answer.json(200, page(*self.items.values()))
        else:
            _, _, _, _, namespace, _, name = request.path.split("/")
            self.gets.append(f"{namespace}/{name}")
            assert request.headers["accept"] == METADATA
            item = self.items.get((namespace, name))
            await (answer.json(200, item) if item is not None else fails(404, "NotFound")(request, answer))


@asynccontextmanager
async def following(server: ApiServer, **more: Any) -> AsyncIterator[ClusterAccounts]:
    async with (
        server.running(),
        client_of(server) as client,
        ClusterAccounts(client, Settings(), pace=QUICK, **{"lookup_seconds": 20, **more}) as accounts,
    ):
        yield accounts


async def test_answers_from_the_list_and_keeps_only_our_annotations() -> None:
    item = meta("app", role=ROLE)
    item["metadata"]["annotations"]["other.io/key"] = "x"
    cluster = Cluster(item, meta("plain"))
    async with following(cluster.server) as accounts:
        await until(lambda: accounts.is_synced)
        assert accounts.get("apps", "app") == ServiceAccount("apps", "app", {"role-arn": ROLE})
        assert accounts.get("apps", "plain") == ServiceAccount("apps", "plain")
        assert accounts.get("apps", "other") is None
        assert accounts.get("other", "app") is None
        assert len(accounts) == 2
        assert accounts.mapping is NO_MAPPING
    assert cluster.gets == []


async def test_a_live_read_finds_what_the_watch_has_not_delivered_and_caches_nothing() -> None:
    cluster = Cluster()
    async with following(cluster.server) as accounts:
        await until(lambda: accounts.is_synced)
        assert await accounts.lookup("apps", "new") is None
        cluster.items["apps", "new"] = meta("new", role=ROLE)
        assert await accounts.lookup("apps", "new") == ServiceAccount("apps", "new", {"role-arn": ROLE})
        assert accounts.get("apps", "new") is None
    assert cluster.gets == ["apps/new", "apps/new"]


@pytest.mark.parametrize(
    ("namespace", "name"), [("../secrets", "a"), ("n", "a/../../secrets"), ("N", "a"), ("n", "a?x=1"), ("", "a")]
)
async def test_an_invalid_name_is_not_looked_up(namespace: str, name: str) -> None:
    cluster = Cluster()
    async with following(cluster.server) as accounts:
        assert await accounts.lookup(namespace, name) is None
    assert cluster.gets == []


async def test_fifty_pods_of_a_new_service_account_cost_two_reads() -> None:
    cluster = Cluster(meta("app", role=ROLE))
    async with following(cluster.server) as accounts:
        found = await asyncio.gather(*(accounts.lookup("apps", "app") for _ in range(50)))
        assert found == [ServiceAccount("apps", "app", {"role-arn": ROLE})] * 50
    assert len(cluster.gets) == 2


async def test_a_server_that_hangs_makes_a_lookup_fail_in_time_while_known_ones_are_answered() -> None:
    cluster = Cluster(meta("app", role=ROLE))

    async def hangs_on_get(request: Request, answer: Answer) -> None:
        await (hang if request.path.count("/") > 3 else cluster._answer)(request, answer)

    async with following(ApiServer(every=hangs_on_get), lookup_seconds=0.1) as accounts:
        await until(lambda: accounts.is_synced)
        with pytest.raises(LookupFailed, match=r"ServiceAccount apps/new: .* (in time|within 0.1 s)"):
            await accounts.lookup("apps", "new")
        assert accounts.get("apps", "app") is not None


async def test_a_refused_lookup_fails_and_says_which_rule_is_missing() -> None:
    async with following(ApiServer(every=fails(403, "Forbidden"))) as accounts:
        with pytest.raises(LookupFailed) as caught:
            await accounts.lookup("apps", "new")
        assert str(caught.value) == (
            'ServiceAccount apps/new: get serviceaccounts new in namespace apps: 403: no (grant apiGroups: [""], '
            'resources: ["serviceaccounts"], verbs: ["get"] in a ClusterRole)'
        )
        await until(lambda: accounts.watch.restarts["denied"] > 0)
        assert not accounts.is_synced


async def test_a_service_account_that_comes_within_the_grace_period_is_found() -> None:
    cluster = Cluster()
    async with following(cluster.server, grace_seconds=20) as accounts:
        await until(lambda: accounts.is_synced)
        pods = [asyncio.create_task(accounts.lookup("apps", "late")) for _ in range(3)]
        await until(lambda: accounts.grace.waiting == 3)
        cluster.items["apps", "late"] = meta("late", role=ROLE)
        cluster.events.put_nowait(event("ADDED", meta("late", "11", role=ROLE)))
        assert await asyncio.gather(*pods) == [ServiceAccount("apps", "late", {"role-arn": ROLE})] * 3
        assert accounts.grace.waiting == 0


async def test_the_grace_period_ends_without_one() -> None:
    cluster = Cluster()
    async with following(cluster.server, grace_seconds=0.05) as accounts:
        assert await accounts.lookup("apps", "never") is None
    assert cluster.gets == ["apps/never"] * 2


async def test_deleted_and_created_again_with_another_role() -> None:
    cluster = Cluster(meta("app", role=ROLE))
    async with following(cluster.server) as accounts:
        await until(lambda: accounts.is_synced)
        cluster.events.put_nowait(event("DELETED", meta("app", "11", role=ROLE)))
        await until(lambda: accounts.get("apps", "app") is None)
        assert len(accounts) == 0
        cluster.events.put_nowait(event("ADDED", meta("app", "12", role=ROLE + "2")))
        await until(lambda: accounts.get("apps", "app") is not None)
        assert accounts.get("apps", "app") == ServiceAccount("apps", "app", {"role-arn": ROLE + "2"})


async def test_lists_all_accounts_with_our_annotations() -> None:
    cluster = Cluster(meta("app", role=ROLE), meta("plain"))
    async with following(cluster.server) as accounts:
        await until(lambda: accounts.is_synced)
        assert accounts.accounts() == [ServiceAccount("apps", "app", {"role-arn": ROLE})]


HUGE = "<" * 60_000


def with_annotation(item: Any, key: str, value: str) -> Any:
    item["metadata"].setdefault("annotations", {})[key] = value
    return item


async def test_an_account_that_is_too_large_is_read_live_and_its_old_state_is_dropped() -> None:
    cluster = Cluster(meta("app", role=ROLE), with_annotation(meta("large", role=ROLE), "x", HUGE))
    async with following(cluster.server) as accounts:
        await until(lambda: accounts.is_synced)
        assert accounts.get("apps", "app") == ServiceAccount("apps", "app", {"role-arn": ROLE})
        assert accounts.get("apps", "large") is None
        assert (len(accounts), accounts.left_out) == (1, 1)

        grown = with_annotation(meta("app", "12", role=ROLE + "2"), "x", HUGE)
        cluster.items["apps", "app"] = grown
        cluster.events.put_nowait(event("MODIFIED", grown))
        await until(lambda: accounts.left_out == 2)
        assert accounts.get("apps", "app") is None
        for name, role in (("large", ROLE), ("app", ROLE + "2")):
            assert await accounts.lookup("apps", name) == ServiceAccount("apps", name, {"role-arn": role})

        cluster.events.put_nowait(event("MODIFIED", meta("app", "13", role=ROLE)))
        await until(lambda: accounts.get("apps", "app") is not None)
        assert (len(accounts), accounts.left_out, accounts.watch.restarts.total()) == (1, 2, 0)
    assert cluster.gets == ["apps/large", "apps/app"]


async def test_an_account_that_grows_while_a_pod_waits_for_it_is_found() -> None:
    cluster = Cluster()
    async with following(cluster.server, grace_seconds=20) as accounts:
        await until(lambda: accounts.is_synced)
        pod = asyncio.create_task(accounts.lookup("apps", "late"))
        await until(lambda: accounts.grace.waiting == 1)
        late = with_annotation(meta("late", "11", role=ROLE), "x", HUGE)
        cluster.items["apps", "late"] = late
        cluster.events.put_nowait(event("ADDED", late))
        assert await pod == ServiceAccount("apps", "late", {"role-arn": ROLE})


async def test_our_annotations_that_are_too_long_for_the_cache_are_read_live_unchanged() -> None:
    prefix = "eks.amazonaws.com"
    lengths = {"just": 4096 - len(ROLE), "long": 4097 - len(ROLE)}

    items = {
        name: with_annotation(meta(name, role=ROLE), f"{prefix}/skip-containers", "c" * length)
        for name, length in lengths.items()
    }
    cluster = Cluster(*items.values())
    async with following(cluster.server) as accounts:
        await until(lambda: accounts.is_synced)
        assert accounts.get("apps", "just") is not None
        assert accounts.get("apps", "long") is None
        assert accounts.left_out == 1
        found = await accounts.lookup("apps", "long")
        assert found is not None
        assert found.annotations == {"role-arn": ROLE, "skip-containers": "c" * lengths["long"]}

        cluster.events.put_nowait(event("MODIFIED", items["long"] | meta("just", "12", "x" * 4097)))
        await until(lambda: accounts.left_out == 2)
        assert accounts.get("apps", "just") is None


async def test_unknown_keys_with_our_prefix_are_not_cached() -> None:
    item = with_annotation(meta("app", role=ROLE), "eks.amazonaws.com/other", "x" * 10_000)
    cluster = Cluster(item, with_annotation(meta("none"), "eks.amazonaws.com/note", "x"))
    async with following(cluster.server) as accounts:
        await until(lambda: accounts.is_synced)
        assert accounts.accounts() == [ServiceAccount("apps", "app", {"role-arn": ROLE})]
        assert accounts.get("apps", "none") == ServiceAccount("apps", "none")
        assert accounts.left_out == 0


async def test_of_a_misspelled_annotation_the_key_is_cached() -> None:
    item = with_annotation(meta("app"), "eks.amazonaws.com/role_arn", ROLE)
    async with following(Cluster(item).server) as accounts:
        await until(lambda: accounts.is_synced)
        meant = ("eks.amazonaws.com/role_arn", "role-arn")
        assert accounts.accounts() == [ServiceAccount("apps", "app", {}, meant)]
        assert await accounts.lookup("apps", "app") == ServiceAccount("apps", "app", {}, meant)


async def test_an_account_that_is_larger_than_any_object_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("webhook.cluster.accounts._MAX_ACCOUNT", 100_000)

    cluster = Cluster(with_annotation(meta("app", role=ROLE), "x", HUGE))
    async with following(cluster.server) as accounts:
        with pytest.raises(LookupFailed) as caught:
            await accounts.lookup("apps", "app")
    assert str(caught.value) == (
        "ServiceAccount apps/app: get serviceaccounts app in namespace apps: the answer is larger than 100000 bytes"
    )


async def test_waiting_pods_of_one_namespace_leave_places_for_others() -> None:
    grace = LookupGrace()
    async with asyncio.TaskGroup() as pods:
        for number in range(300):
            pods.create_task(grace.wait("flood", f"a{number % 7}", 20))
        await until(lambda: grace.waiting == 256)
        other = pods.create_task(grace.wait("apps", "app", 20))
        await until(lambda: grace.waiting == 257)
        grace.announce("apps", "app")
        await other
        for number in range(7):
            grace.announce("flood", f"a{number}")
    assert (grace.waiting, grace._callers, grace._callers_of) == (0, {}, {})
