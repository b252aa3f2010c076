import asyncio
import contextlib
import logging
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certs.authority import Authority
from certs.bundle import published
from certs.errors import Conflict, InvalidPair, StoreError
from certs.issue import Pair, issue_ca
from certs.memory import Policy
from certs.repair import Change
from certs.rounds import Timing
from certs.state import read_state
from certs.stores import InMemoryBundleStore, InMemorySecretStore, StoredSecret
from tests.certs.replicas import NAMES, SERVICE, START, Cluster, configuration

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Secrets(InMemorySecretStore):
    error: Exception | None = None
    overtaken = 0
    meanwhile: Callable[[], None] | None = None

    async def read(self) -> StoredSecret | None:
        if self.error:
            raise self.error
        if self.meanwhile:
            self.meanwhile()
        return await super().read()

    async def write(self, data: Mapping[str, bytes], over: StoredSecret | None) -> None:
        if self.overtaken:
            self.overtaken -= 1
            raise Conflict("somebody was faster")
        await super().write(data, over)


class Bundles(InMemoryBundleStore):
    error: Exception | None = None
    read_only = False
    patches = 0

    async def read(self) -> Mapping[str, Any]:
        if self.error:
            raise self.error
        return await super().read()

    async def patch(self, patch: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.read_only:
            raise StoreError("may not patch")
        self.patches += 1
        return await super().patch(patch)


class Setting:
    def __init__(self, **policy: Any) -> None:
        self.now = START
        self.secrets = Secrets()
        self.bundles = Bundles(configuration())
        self.served: list[Pair] = []
        self.refuse = False
        timing = Timing(clock=lambda: self.now, jitter=lambda: 1.0)
        self.authority = Authority(self.secrets, self.bundles, SERVICE, NAMES, self._serve, Policy(**policy), timing)

    def _serve(self, leaf: Pair) -> None:
        if self.refuse:
            raise InvalidPair("refused")
        self.served.append(leaf)

    async def check(self, later: timedelta = timedelta()) -> float:
        self.now += later
        return await self.authority.check()

    def ca_bundle(self) -> tuple[bytes, ...]:
        return published(self.bundles._configuration, SERVICE)

    def break_ca_bundle(self) -> None:
        stored = self.bundles._configuration
        stored["webhooks"][0]["clientConfig"]["caBundle"] = b64encode(FOREIGN).decode()
        self.bundles.put(stored)


FOREIGN = issue_ca(START, common_name="foreign").certificate


async def test_a_first_round_makes_publishes_and_serves_and_then_rests_for_a_minute() -> None:
    setting = Setting()
    assert await setting.check() == 60
    authority = setting.authority
    assert authority.state.ca is not None
    assert setting.ca_bundle() == (authority.state.ca.certificate,)
    assert setting.served == [authority.state.leaf] == [authority.serving]
    assert authority.in_sync
    assert authority.renewals == {Change("CA", "missing"): 1, Change("leaf", "missing"): 1}
    assert await setting.check(MINUTE) == 60
    assert setting.bundles.patches == 1
    assert "caBundle" not in setting.bundles._configuration["webhooks"][2]["clientConfig"]


@pytest.mark.parametrize("replicas", [1, 2, 5])
async def test_replicas_that_start_at_once_end_with_one_ca_that_all_serve(replicas: int) -> None:
    cluster = Cluster(replicas, seed=replicas)
    await cluster.advance(timedelta(seconds=20))
    assert cluster.served() == {cluster.replicas[0].state.leaf}
    assert len({one.state for one in cluster.replicas}) == 1
    assert cluster.largest_bundle == 1
    assert sum(sum(one.renewals.values()) for one in cluster.replicas) == 2


async def test_a_replica_that_is_overtaken_adopts_what_the_other_wrote() -> None:
    setting = Setting()
    setting.secrets.overtaken = 1
    assert await setting.check() == pytest.approx(0.1)
    assert setting.authority.failures == {"conflict": 1}
    assert setting.authority.serving is None
    other = Setting()
    await other.check()
    stored = other.secrets._stored
    assert stored is not None
    setting.secrets.put(stored.data, stored.annotations)
    assert await setting.check() == 60
    assert setting.authority.state == other.authority.state
    assert setting.authority.renewals == {}


async def test_a_newer_ca_bundle_is_not_replaced_by_an_older_one() -> None:
    setting = Setting()
    setting.secrets.meanwhile = lambda: setting.bundles.put(setting.bundles._configuration)
    assert await setting.check() == pytest.approx(0.1)
    assert setting.authority.failures == {"conflict": 1}
    assert setting.ca_bundle() == ()
    setting.secrets.meanwhile = None
    assert await setting.check() == 60
    assert setting.authority.in_sync


async def test_while_the_api_server_is_away_the_old_certificate_is_served_and_retries_back_off() -> None:
    setting = Setting()
    await setting.check()
    serving = setting.authority.serving
    setting.secrets.error = setting.bundles.error = StoreError("connection refused")
    assert [await setting.check(59 * DAY)] + [await setting.check(MINUTE) for _ in range(7)] == [
        1,
        2,
        4,
        8,
        16,
        32,
        60,
        60,
    ]
    assert setting.authority.serving == serving
    assert setting.authority.failures == {"secret": 8, "bundle": 8}
    setting.secrets.error = setting.bundles.error = None
    assert await setting.check(DAY) == 60
    assert setting.authority.renewals[Change("leaf", "due")] == 1
    assert setting.authority.serving != serving


async def test_a_leaf_is_renewed_even_if_the_webhook_configuration_cannot_be_read() -> None:
    setting = Setting()
    await setting.check()
    setting.bundles.error = StoreError("forbidden")
    await setting.check(60 * DAY)
    assert setting.authority.renewals[Change("leaf", "due")] == 1
    assert setting.served == [setting.served[0], setting.authority.state.leaf]


async def test_without_the_right_to_patch_the_secret_is_maintained_and_no_untrusted_leaf_is_served() -> None:
    setting = Setting()
    setting.bundles.read_only = True
    assert await setting.check() == 1
    assert setting.authority.failures == {"bundle": 1}
    assert setting.authority.state.leaf is not None
    assert (setting.authority.serving, setting.authority.in_sync) == (None, False)


async def test_a_bug_in_a_store_is_counted_and_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    setting = Setting()
    setting.secrets.error = ZeroDivisionError("bug")
    assert await setting.check() == 1
    assert setting.authority.failures == {"unexpected": 1}
    assert "certificate maintenance failed" in caplog.text


async def test_a_refused_leaf_is_offered_again_and_the_old_one_stays_in_use() -> None:
    setting = Setting()
    await setting.check()
    setting.refuse = True
    await setting.check(60 * DAY)
    assert setting.authority.failures == {"serve": 1}
    assert [setting.authority.serving] == setting.served
    setting.refuse = False
    await setting.check()
    assert setting.authority.serving == setting.authority.state.leaf == setting.served[1]


async def test_a_foreign_ca_bundle_is_corrected_at_once_and_then_after_growing_pauses() -> None:
    setting = Setting()
    await setting.check()
    pauses: list[float] = []
    for _ in range(4):
        setting.break_ca_bundle()
        pause = await setting.check(timedelta(minutes=11) if not pauses else timedelta())
        while setting.ca_bundle() == ():
            assert not setting.authority.in_sync
            pauses.append(pause)
            pause = await setting.check(timedelta(seconds=pause))
        pauses.append(0)
    assert pauses == [0, 1, 0, 2, 0, 4, 0]
    assert setting.authority.is_contended


async def test_a_secret_that_somebody_keeps_emptying_is_restored_after_growing_pauses() -> None:
    setting = Setting()
    await setting.check()
    good = setting.authority.state
    restored = 0
    for _ in range(60):
        setting.secrets.put({}, {})
        await setting.check(timedelta(seconds=1))
        stored = setting.secrets._stored
        assert stored is not None
        restored += read_state(stored.data, {})[0] == good
    assert restored == 6  # at once, then 1, 2, 4, 8 and 16 s later
    assert setting.authority.is_contended
    assert setting.authority.serving == good.leaf


async def test_damage_is_logged_once_and_no_key_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    setting = Setting()
    await setting.check()
    stored = setting.secrets._stored
    assert stored is not None
    setting.secrets.put({**stored.data, "tls.crt": b"garbage"}, {})
    await setting.check()
    await setting.check()
    assert caplog.text.count("the Secret is damaged: tls.crt and tls.key: the certificate cannot be read") == 1
    assert "wrote the Secret: leaf: restored" in caplog.text
    assert "PRIVATE" not in caplog.text


async def test_an_impossible_lifetime_is_a_failure_not_a_crash() -> None:
    setting = Setting(leaf_lifetime=timedelta())
    assert await setting.check() == 1
    assert setting.authority.failures == {"issue": 1}


async def test_the_loop_sleeps_until_the_next_thing_is_due_and_no_longer_than_a_minute() -> None:
    slept: list[float] = []

    now = START
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += timedelta(seconds=seconds)
        if len(slept) == 5:
            enough.set()
            await asyncio.Event().wait()

    timing = Timing(lambda: now, sleep, lambda: 1.0)
    policy = Policy(leaf_lifetime=timedelta(seconds=150))
    secrets, bundles = InMemorySecretStore(), InMemoryBundleStore(configuration())
    authority = Authority(secrets, bundles, SERVICE, NAMES, lambda _: None, policy, timing)
    task = asyncio.ensure_future(authority.run())
    await enough.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert authority.renewals[Change("leaf", "due")] == 2
    assert slept == [60, 40, 60, 40, 60]


async def test_a_wake_ends_the_pause() -> None:
    asleep = asyncio.Event()

    async def sleep(_: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    secrets, bundles = InMemorySecretStore(), InMemoryBundleStore(configuration())
    timing = Timing(lambda: datetime(2026, 3, 1, tzinfo=UTC), sleep)
    authority = Authority(secrets, bundles, SERVICE, NAMES, lambda _: None, Policy(), timing)
    secrets.subscribe(authority.wake)
    restored = asyncio.Event()
    task = asyncio.ensure_future(authority.run())
    await asleep.wait()
    secrets.subscribe(lambda: restored.set() if secrets._stored else None)
    secrets.delete()
    await asyncio.wait_for(restored.wait(), 10)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert authority.renewals[Change("leaf", "restored")] == 1


async def test_the_ca_is_rotated_with_an_overlap_that_every_client_survives() -> None:
    cluster = Cluster(2, seed=1, policy=Policy(ca_lifetime=90 * MINUTE, leaf_lifetime=20 * MINUTE))
    await cluster.advance(12 * timedelta(hours=1))
    assert sum(one.renewals[Change("CA", "due")] for one in cluster.replicas) >= 8
    assert sum(one.renewals[Change("CA", "missing")] for one in cluster.replicas) == 1
    assert cluster.largest_bundle <= 3


async def test_a_secret_deleted_after_its_configuration_is_not_created_again() -> None:
    setting = Setting()
    await setting.check()
    served = setting.authority.serving
    setting.bundles.error = StoreError("there is none")
    setting.secrets.delete()
    await setting.check(MINUTE)
    stored = [setting.secrets._stored]
    setting.bundles.error = None
    await setting.check(MINUTE)
    stored.append(setting.secrets._stored)
    assert [one is None for one in stored] == [True, False]
    assert setting.authority.serving == served
    assert setting.served == [served]
