"""Replicas of the authority on a fake clock, and a client that verifies the leaves they serve."""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from certs.authority import Authority
from certs.bundle import Service, published
from certs.issue import Names, Pair, service_names
from certs.memory import Policy
from certs.pem import read_certificate
from certs.plan import next_step
from certs.rounds import Timing
from certs.stores import InMemoryBundleStore, InMemorySecretStore, StoredSecret

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVICE = Service("pod-identity-webhook", "eks")
NAMES = Names.parse(service_names("pod-identity-webhook", "eks"))
TRUST_LAGS = timedelta(minutes=5)


def configuration() -> dict[str, Any]:
    def entry(name: str, service: str) -> dict[str, Any]:
        return {"name": name, "clientConfig": {"service": {"name": service, "namespace": "eks", "path": "/mutate"}}}

    return {
        "metadata": {"name": "pod-identity-webhook"},
        "webhooks": [entry("ours", SERVICE.name), entry("strict", SERVICE.name), entry("theirs", "other")],
    }


# For a leaf and a bundle: from when until when the leaf verifies.
_verified: dict[tuple[bytes, frozenset[bytes]], tuple[datetime, datetime]] = {}


def verifies(leaf: bytes, bundle: frozenset[bytes], now: datetime) -> bool:
    """Verifies as a client that trusts `bundle` does. Raises VerificationError.

    What verifies now does so until the first of the certificates ends, so this does not verify again until then.
    """
    since, until = _verified.get((leaf, bundle), (datetime.max.replace(tzinfo=UTC), now))
    if since <= now <= until:
        return True
    certificates = [read_certificate(ca) for ca in sorted(bundle)]
    name = x509.DNSName("pod-identity-webhook.eks.svc")
    verifier = PolicyBuilder().store(Store(certificates)).time(now).build_server_verifier(name)
    verifier.verify(read_certificate(leaf), [])
    ends = min(one.not_valid_after_utc for one in (read_certificate(leaf), *certificates))
    _verified[leaf, bundle] = (now, max(now, ends))
    return True


class Hesitant:
    """A store that answers after random delays, so that replicas overtake each other."""

    def __init__(self, rng: random.Random, store: Any, seen: Callable[[], None]) -> None:
        self._rng, self._store, self._seen = rng, store, seen

    async def _hesitate(self) -> None:
        for _ in range(self._rng.randrange(6)):
            await asyncio.sleep(0)

    async def read(self) -> Any:
        await self._hesitate()
        found = await self._store.read()
        await self._hesitate()
        return found

    async def write(self, data: Mapping[str, bytes], over: StoredSecret | None) -> None:
        await self._hesitate()
        await self._store.write(data, over)
        self._seen()

    async def patch(self, patch: Mapping[str, Any]) -> Mapping[str, Any]:
        await self._hesitate()
        patched: Mapping[str, Any] = await self._store.patch(patch)
        self._seen()
        return patched


class Cluster:
    """A Secret, a webhook configuration, replicas, and a clock that moves only when a test moves it."""

    def __init__(self, replicas: int, seed: int, policy: Policy | None = None) -> None:
        self.rng = random.Random(seed)
        self.now = START
        self.policy = policy or Policy()
        self.secrets = InMemorySecretStore()
        self.bundles = InMemoryBundleStore(configuration())
        self.secrets.subscribe(self._changed)
        self.bundles.subscribe(self._changed)
        self.replicas: list[Authority] = []
        self._due: list[datetime] = []
        # Every bundle that a replica published, with the time when another replaced it.
        self._history: list[tuple[frozenset[bytes], datetime]] = []
        self._published: frozenset[bytes] = frozenset()
        self.last_change = START
        self.largest_bundle = 0
        self.verified = 0
        for _ in range(replicas):
            self.replicas.append(self._replica())
            self._due.append(self.now + self._delay())

    def restart(self, index: int) -> None:
        self.replicas[index] = self._replica()
        self._due[index] = self.now + self._delay()

    async def advance(self, span: timedelta) -> None:
        """Advances the clock; rounds that are due at nearly the same time run concurrently."""
        end = self.now + span
        while (first := min(self._due)) <= end:
            self.now = max(first, self.now)
            batch = [n for n, due in enumerate(self._due) if due <= self.now + timedelta(milliseconds=300)]
            pauses = await asyncio.gather(*(self._check(n) for n in batch))
            for n, pause in zip(batch, pauses, strict=True):
                self._due[n] = min(self._due[n], self.now + pause)
            self.verify()
        self.now = max(end, self.now)
        self.verify()

    async def settle_down(self) -> None:
        """Advances the clock until nothing has changed for so long that only the next due date can cause a change."""
        while self.now < self.last_change + self.policy.settle + timedelta(minutes=3):
            await self.advance(timedelta(minutes=1))

    def skip_to(self, time: datetime) -> None:
        """Moves the clock to `time` without the rounds in between, in which nothing is due."""
        self.now = max(self.now, time)
        self._due = [max(due, self.now + self._delay()) for due in self._due]
        self.verify()

    def next_due(self) -> datetime:
        return min(
            next_step(one.state, one._memory, one._publisher.seen, NAMES, self.policy, self.now).look_again
            for one in self.replicas
        )

    def verify(self) -> None:
        """Checks that every client, whichever bundle it trusts, verifies every served leaf."""
        bundles = {bundle for bundle, until in self._history if until >= self.now - TRUST_LAGS}
        if self._published:
            bundles.add(self._published)
        for leaf in {one.serving for one in self.replicas if one.serving is not None}:
            for bundle in bundles:
                self.verified += 1
                assert verifies(leaf.certificate, bundle, self.now), (self.now, leaf)

    def served(self) -> set[Pair | None]:
        return {one.serving for one in self.replicas}

    def _replica(self) -> Authority:
        timing = Timing(clock=lambda: self.now, jitter=self.rng.random)
        secrets = Hesitant(self.rng, self.secrets, lambda: None)
        bundles = Hesitant(self.rng, self.bundles, self._record)
        return Authority(secrets, bundles, SERVICE, NAMES, lambda _: None, self.policy, timing)

    def _record(self) -> None:
        now_published = frozenset(published(self.bundles._configuration, SERVICE))
        self._history = [(b, until) for b, until in self._history if until >= self.now - TRUST_LAGS]
        if self._published:
            self._history.append((self._published, self.now))
        self._published = now_published
        self.largest_bundle = max(self.largest_bundle, len(now_published))

    def _delay(self) -> timedelta:
        return timedelta(seconds=self.rng.uniform(0.05, 3))

    def _changed(self) -> None:
        self.last_change = self.now
        for n, due in enumerate(getattr(self, "_due", [])):
            self._due[n] = min(due, self.now + self._delay())

    async def _check(self, n: int) -> timedelta:
        self._due[n] = datetime.max.replace(tzinfo=UTC)
        return timedelta(seconds=await self.replicas[n].check())
