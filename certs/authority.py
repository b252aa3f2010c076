"""The CA that looks after itself: a loop that any number of replicas run at once, without a leader.

Each round reads the webhook configuration, then the Secret, decides, writes, and publishes. In this order nobody can
put an older caBundle over a newer one: who publishes has read the Secret after the version that the patch names.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from certs.bundle import Service, bundle_patch, our_entries, published
from certs.errors import CertificateError, Conflict, StoreError
from certs.fight import Fight
from certs.issue import Names, Pair
from certs.memory import Memory, Policy
from certs.plan import Step, next_step, serving_choice
from certs.repair import Change, is_serviceable
from certs.sightings import Sightings
from certs.state import State, read_state
from certs.stores import BundleStore, SecretStore, StoredSecret

# Clocks jump and virtual machines pause: no timer is trusted for longer.
LONGEST_SLEEP: Final = timedelta(minutes=1)
_SHORTEST_SLEEP: Final = timedelta(milliseconds=50)

_log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Timing:
    """Where time comes from: aware datetimes, pauses in seconds, and numbers from 0 to 1 that spread replicas out."""

    clock: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random


_DEFAULT_POLICY: Final = Policy()
_DEFAULT_TIMING: Final = Timing()


class Authority:
    """One replica's part in keeping the Secret and the caBundle right, and the leaf that it is to serve.

    `serve` is called with each new leaf and raises CertificateError to refuse it; it is asked again in the next round.
    `in_sync`: whether the caBundle was right when it was last looked at; `problem`: what failed in the last round.
    """

    def __init__(
        self,
        secrets: SecretStore,
        bundles: BundleStore,
        service: Service,
        names: Names,
        serve: Callable[[Pair], None],
        policy: Policy = _DEFAULT_POLICY,
        timing: Timing = _DEFAULT_TIMING,
    ) -> None:
        self._secrets = secrets
        self._bundles = bundles
        self._service = service
        self._names = names
        self._serve = serve
        self._policy = policy
        self._clock = timing.clock
        self._sleep = timing.sleep
        self._jitter = timing.jitter
        self._woken = asyncio.Event()
        self._memory = Memory(started=self._clock())
        self._seen = Sightings()
        self._problems: tuple[str, ...] = ()
        self._secret_fight = Fight()
        self._bundle_fight = Fight()
        self._failed_rounds = 0
        self.in_sync = False
        self.problem = ""
        self.renewals: Counter[Change] = Counter()
        self.failures: Counter[str] = Counter()

    @property
    def serving(self) -> Pair | None:
        """The leaf that is served; None until clients can trust one."""
        return self._memory.serving

    @property
    def state(self) -> State:
        """The shared state as this replica last agreed with it."""
        return self._memory.state

    @property
    def is_fighting(self) -> bool:
        """Whether somebody else keeps undoing what we write, in the Secret or in the caBundle."""
        now = self._clock()
        return self._secret_fight.is_on(now) or self._bundle_fight.is_on(now)

    def wake(self) -> None:
        """Ends the pause: the Secret or the webhook configuration has changed."""
        self._woken.set()

    async def run(self) -> None:
        """Runs until it is cancelled; no failure ends it."""
        while True:
            self._woken.clear()
            seconds = await self.check()
            pauses = {asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._woken.wait())}
            try:
                await asyncio.wait(pauses, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pause in pauses:
                    pause.cancel()
                await asyncio.gather(*pauses, return_exceptions=True)
            if self._failed_rounds:
                # A watch that reports change upon change must not turn retries into a flood.
                await self._sleep(_SHORTEST_SLEEP.total_seconds())

    async def check(self) -> float:
        """One round; returns the seconds until the next one. Failures are logged and counted, never raised."""
        failed = sum(self.failures.values())
        try:
            look_again = await self._round()
        except Conflict:
            # Somebody else was faster, which is as good: what they wrote is adopted.
            self.failures["conflict"] += 1
            return _SHORTEST_SLEEP.total_seconds() * (1 + self._jitter())
        except StoreError as error:
            self._failed("secret", error)
        except CertificateError as error:
            self._failed("issue", error)
        except Exception:  # noqa: BLE001 - whatever it is, the certificate goes on
            _log.exception("looking after certificates failed; what is served goes on")
            self.failures["unexpected"] += 1
            self.problem = "unexpected: a bug, see the log"
        if sum(self.failures.values()) == failed:
            self._failed_rounds = 0
            self.problem = ""
            until = look_again - self._clock()
            return min(max(until, _SHORTEST_SLEEP), LONGEST_SLEEP).total_seconds()
        self._failed_rounds += 1
        longest = min(LONGEST_SLEEP.total_seconds(), 2.0 ** min(self._failed_rounds - 1, 10))
        return longest * (0.5 + self._jitter() / 2)

    async def _round(self) -> datetime:
        configuration = await self._look()
        stored = await self._secrets.read()
        step = await self._agree(stored)
        look_again = step.look_again
        if configuration is not None and not step.waiting:
            look_again = min(look_again, await self._publish(configuration, step.state))
        self._choose(step.state)
        return look_again

    async def _look(self) -> Mapping[str, Any] | None:
        try:
            configuration = await self._bundles.read()
        except StoreError as error:
            self._failed("bundle", error)
            return None
        self._observe(configuration)
        if not any(our_entries(configuration, self._service)):
            self.in_sync = False
            service = f"{self._service.namespace}/{self._service.name}"
            self._failed("bundle", StoreError(f"the webhook configuration has no entry that calls Service {service}"))
            return None
        return configuration

    async def _agree(self, stored: StoredSecret | None) -> Step:
        """Adopts what the Secret holds, or writes what it is to hold."""
        now = self._clock()
        state, problems = read_state(stored.data, stored.annotations) if stored else (State(), ())
        if problems != self._problems:
            self._problems = problems
            for problem in problems:
                _log.warning("the Secret is damaged: %s", problem)
        step = next_step(state, self._memory, self._seen, self._names, self._policy, now)
        if step.waiting:
            return step
        if step.changes:
            only_restored = all(change.reason == "restored" for change in step.changes)
            wait_until = self._secret_fight.may_write_at(step.state, now) if only_restored else now
            if wait_until > now:
                return replace(step, look_again=min(step.look_again, wait_until))
            await self._secrets.write(step.state.data(), stored)
            if only_restored:
                self._secret_fight = self._secret_fight.written(step.state, now)
            for change in step.changes:
                self.renewals[change] += 1
                _log.info("wrote the Secret: %s: %s", change.what, change.reason)
        self._memory = replace(self._memory, state=step.state)
        return step

    async def _publish(self, configuration: Mapping[str, Any], state: State) -> datetime:
        """Puts the caBundle right; returns when to look again. A caBundle without a leaf to trust is not published."""
        now = self._clock()
        later = now + LONGEST_SLEEP
        if not is_serviceable(state.leaf, state, now):
            return later
        bundle = state.bundle(now)
        patch = bundle_patch(configuration, self._service, bundle)
        self.in_sync = patch is None
        if patch is None:
            return later
        wait_until = self._bundle_fight.may_write_at(bundle, now)
        if wait_until > now:
            return wait_until
        try:
            configuration = await self._bundles.patch(patch)
        except Conflict:
            raise
        except StoreError as error:
            self._failed("bundle", error)
            return later
        self._bundle_fight = self._bundle_fight.written(bundle, now)
        self._observe(configuration)
        self.in_sync = True
        _log.info("published the caBundle: %d certificates", len(state.trusted(now)))
        return later

    def _observe(self, configuration: Mapping[str, Any]) -> None:
        self._seen = self._seen.observed(published(configuration, self._service), self._clock())

    def _choose(self, state: State) -> None:
        leaf = serving_choice(state, self._memory, self._seen, self._policy, self._clock())
        if leaf is None or leaf == self._memory.serving:
            return
        try:
            self._serve(leaf)
        except CertificateError as error:
            self._failed("serve", error)
            return
        self._memory = replace(self._memory, serving=leaf)

    def _failed(self, what: str, error: CertificateError) -> None:
        self.failures[what] += 1
        self.problem = f"{what}: {error}"
        _log.warning("looking after certificates: %s; what is served goes on", self.problem)
