"""An external certificate keeps its CA in the caBundle; during a rollout from or to it, clients trust every leaf."""

import random
from base64 import b64encode
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from certs.authority import Authority
from certs.bundle import published
from certs.errors import InvalidPair, StoreError
from certs.external import HANDOVER, ExternalCertificate, ExternalCertificateAuthority
from certs.issue import Pair, issue_ca, issue_leaf
from certs.memory import Policy
from certs.repair import Change
from certs.rounds import Timing
from certs.state import read_state
from certs.stores import InMemoryBundleStore, InMemorySecretStore, StoredSecret
from tests.certs.replicas import NAMES, SERVICE, START, configuration, verifies

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
SETTLE = timedelta(minutes=6)


def external(name: str, now: datetime = START, *, lifetime: timedelta = timedelta(days=90)) -> ExternalCertificate:
    ca = issue_ca(now, common_name=name)
    return ExternalCertificate(issue_leaf(ca, NAMES, now, lifetime=lifetime), (ca.certificate,))


A, B = external("A"), external("B")


def finished(round_of: Coroutine[Any, Any, float]) -> float:
    """Runs a coroutine that never waits, as in-memory stores never wait. This is faster than an event loop."""
    try:
        round_of.send(None)
    except StopIteration as end:
        return float(end.value)
    raise AssertionError("it waits")


class Secrets(InMemorySecretStore):
    error: Exception | None = None

    async def read(self) -> StoredSecret | None:
        if self.error is not None:
            raise self.error
        return await super().read()


class Bundles(InMemoryBundleStore):
    error: Exception | None = None

    async def read(self) -> Mapping[str, Any]:
        if self.error is not None:
            raise self.error
        return await super().read()


class Place:
    """A cluster with replicas of both kinds; tests move its clock."""

    def __init__(self) -> None:
        self.now = START
        self.secrets = Secrets()
        self.secrets.put({}, {})
        self.bundles = Bundles(configuration())
        self.rng = random.Random(1)
        self.files = A
        self.served: list[Pair] = []
        self.refuse = False

    def external(self) -> ExternalCertificateAuthority:
        return ExternalCertificateAuthority(
            self.secrets, self.bundles, SERVICE, lambda: self.files, self._serve, SETTLE, self._timing()
        )

    def self_managed(self) -> Authority:
        return Authority(self.secrets, self.bundles, SERVICE, NAMES, lambda _: None, Policy(), self._timing())

    def check(self, *replicas: Authority | ExternalCertificateAuthority, later: timedelta = timedelta()) -> list[float]:
        self.now += later
        return [finished(one.check()) for one in replicas]

    def ca_bundle(self) -> frozenset[bytes]:
        return frozenset(published(self.bundles._configuration, SERVICE))

    def put_ca_bundle(self, *cas: bytes) -> None:
        stored = self.bundles._configuration
        for entry in stored["webhooks"][:2]:
            entry["clientConfig"]["caBundle"] = b64encode(b"".join(cas)).decode()
        self.bundles.put(stored)

    def _timing(self) -> Timing:
        return Timing(clock=lambda: self.now, jitter=self.rng.random)

    def _serve(self, pair: Pair) -> None:
        if self.refuse:
            raise InvalidPair("refused")
        self.served.append(pair)


def test_the_ca_is_published_and_recorded_for_a_day_and_again_before_the_day_ends() -> None:
    place = Place()
    replica = place.external()
    assert place.check(replica) == [60]
    assert place.ca_bundle() == set(A.cas)
    assert replica.in_sync
    trusted = [replica.is_trusted]
    place.now += 2 * SECOND
    assert [*trusted, replica.is_trusted] == [False, True]
    assert place.served == []

    def written_down() -> dict[bytes, datetime | None]:
        stored = place.secrets._stored
        assert stored is not None
        return {ca.certificate: ca.until for ca in read_state(stored.data, {})[0].previous}

    assert written_down() == {A.cas[0]: START + HANDOVER}
    place.now = START
    place.check(replica, later=HANDOVER / 2 - SECOND)
    assert written_down() == {A.cas[0]: START + HANDOVER}
    place.check(replica, later=2 * SECOND)
    assert written_down() == {A.cas[0]: place.now + HANDOVER}
    assert replica.renewals == {Change("previous CAs", "external"): 2}


def test_a_leaf_of_the_same_ca_is_served_at_once_and_one_of_a_new_ca_after_it_has_settled() -> None:
    place = Place()
    ca = issue_ca(START, common_name="kept")
    first, second = (ExternalCertificate(issue_leaf(ca, NAMES, START), (ca.certificate,)) for _ in range(2))
    place.files = first
    replica = place.external()
    for _ in range(8):
        place.check(replica, later=MINUTE)
    place.files = second
    place.check(replica)
    assert place.served == [second.pair]

    place.files = B
    [seconds] = place.check(replica)
    assert seconds == 60
    assert place.ca_bundle() == {ca.certificate, *B.cas}
    for _ in range(5):
        place.check(replica, later=MINUTE)
    assert place.served == [second.pair]
    place.check(replica, later=MINUTE - SECOND)
    assert place.served == [second.pair]
    place.check(replica, later=SECOND)
    assert place.served == [second.pair, B.pair]
    place.check(replica, later=HANDOVER)
    place.check(replica, later=MINUTE)
    assert place.ca_bundle() == set(B.cas)


def test_while_the_api_server_is_away_a_leaf_of_the_same_ca_is_served_but_one_of_another_ca_waits() -> None:
    place = Place()
    ca = issue_ca(START, common_name="kept")
    first, second = (ExternalCertificate(issue_leaf(ca, NAMES, START), (ca.certificate,)) for _ in range(2))
    place.files = first
    replica = place.external()
    for _ in range(8):
        place.check(replica, later=MINUTE)
    place.bundles.error = StoreError("away")
    place.files = second
    place.check(replica, later=MINUTE)
    assert place.served == [second.pair]
    place.files = B
    for _ in range(20):
        place.check(replica, later=MINUTE)
    assert place.served == [second.pair]


def test_if_the_served_leaf_has_expired_the_new_one_does_not_wait() -> None:
    place = Place()
    place.files = external("short", lifetime=MINUTE)
    replica = place.external()
    place.check(replica)
    place.files = B
    place.check(replica, later=MINUTE + SECOND)
    assert place.served == [B.pair]


def test_a_pair_that_is_refused_is_tried_again() -> None:
    place = Place()
    place.files = external("short", lifetime=MINUTE)
    replica = place.external()
    place.check(replica)
    place.files, place.refuse = B, True
    place.check(replica, later=MINUTE + SECOND)
    assert (replica.failures["issue"], replica.problem, place.served) == (1, "issue: refused", [])
    place.refuse = False
    place.check(replica, later=SECOND)
    assert (replica.problem, place.served) == ("", [B.pair])


def test_a_foreign_ca_is_removed_and_a_missing_one_put_back() -> None:
    place = Place()
    replica = place.external()
    place.check(replica)
    place.put_ca_bundle(*A.cas, *B.cas)
    place.check(replica, later=2 * SECOND)
    assert place.ca_bundle() == set(A.cas)
    place.put_ca_bundle()
    place.check(replica, later=5 * SECOND)
    assert place.ca_bundle() == set(A.cas)


@pytest.mark.parametrize("missing", [True, False], ids=["no Secret", "no access to it"])
def test_the_ca_is_published_even_without_the_secret(missing: bool) -> None:
    place = Place()
    if missing:
        place.secrets.delete()
    else:
        place.secrets.error = StoreError("403")
    replica = place.external()
    place.check(replica)
    assert place.ca_bundle() == set(A.cas)
    assert replica.failures == ({} if missing else {"secret": 1})


def test_only_cas_that_verify_the_leaf_are_its_signers() -> None:
    chained = Pair(A.pair.certificate + A.cas[0], A.pair.private_key)
    assert (
        A.signers()
        == ExternalCertificate(A.pair, (*B.cas, *A.cas)).signers()
        == ExternalCertificate(chained, A.cas).signers()
        == A.cas
    )
    assert ExternalCertificate(A.pair, B.cas).signers() == ExternalCertificate(chained, B.cas).signers() == ()


class Handover:
    """Checks that the published caBundle always verifies every served leaf."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def watched(self, *replicas: Authority | ExternalCertificateAuthority) -> None:
        for one in replicas:
            self.place.check(one)
            for other in replicas:
                leaf = other.serving if isinstance(other, Authority) else other._serving.pair
                if other.is_trusted and leaf is not None:
                    verifies(leaf.certificate, self.place.ca_bundle(), self.place.now)


@pytest.mark.parametrize("order", range(2))
@pytest.mark.parametrize("to_files", [True, False], ids=["to files", "from files"])
def test_during_a_rollout_from_one_kind_to_the_other_every_served_leaf_is_trusted(to_files: bool, order: int) -> None:
    place = Place()
    rng = random.Random(order)
    kinds: tuple[Callable[[], Authority | ExternalCertificateAuthority], ...] = (place.self_managed, place.external)
    old_kind, new_kind = kinds if to_files else kinds[::-1]
    handover = Handover(place)
    old: list[Authority | ExternalCertificateAuthority] = [old_kind(), old_kind()]
    for _ in range(150):
        handover.watched(*old)
        place.now += MINUTE
    before = place.ca_bundle()
    assert len(before) == 1

    new: list[Authority | ExternalCertificateAuthority] = [new_kind()]
    for _ in range(90):
        both = [*old, *new]
        rng.shuffle(both)
        handover.watched(*both)
        place.now += MINUTE
    assert all(one.is_trusted for one in (*old, *new))
    assert place.ca_bundle() > before

    new.append(new_kind())
    for _ in range(5):
        handover.watched(*old, *new)
        place.now += 5 * SECOND
    for later in (HANDOVER, MINUTE, MINUTE):
        place.now += later
        handover.watched(*new)
    assert all(one.is_trusted for one in new)
    assert not place.ca_bundle() & before


@pytest.mark.parametrize("lifetime", [timedelta(hours=2), timedelta(hours=13)], ids=str)
def test_a_ca_that_expires_soon_or_has_expired_causes_no_repeated_writes(lifetime: timedelta) -> None:
    place = Place()
    ca = issue_ca(START, common_name="short", lifetime=lifetime)
    place.files = ExternalCertificate(issue_leaf(ca, NAMES, START), (ca.certificate,))
    replica, other = place.external(), place.self_managed()
    for _ in range(int(lifetime / MINUTE / 2) + 15):
        place.check(replica, other, later=2 * MINUTE)
    assert replica.renewals[Change("previous CAs", "external")] <= 3
    assert place.check(replica, other) == [60, 60]


def test_of_many_cas_in_the_file_only_the_one_that_signed_the_leaf_is_recorded() -> None:
    place = Place()
    many = tuple(issue_ca(START, common_name=f"CA {n}").certificate for n in range(30))
    place.files = ExternalCertificate(A.pair, (*A.cas, *many))
    replica, other = place.external(), place.self_managed()
    for _ in range(60):
        place.check(replica, other, later=MINUTE)
    stored = place.secrets._stored
    assert stored is not None
    assert [ca.certificate for ca in read_state(stored.data, {})[0].previous] == list(A.cas)
    assert sum(replica.renewals.values()) == 1
