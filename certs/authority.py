"""The self-managed CA: a loop that any number of replicas run at the same time, without a leader.

Each round reads the webhook configuration, then the Secret, decides, writes the Secret, and publishes. This order
keeps a replica from replacing a newer caBundle with an older one: the patch names the resourceVersion of the webhook
configuration, and the replica read the Secret after that version.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from certs.bundle import Service
from certs.bundle_history import LEARNED
from certs.errors import CertificateError, Conflict, StoreError
from certs.issue import Names, Pair
from certs.keeper import Keeper
from certs.memory import Memory, Policy
from certs.plan import Step, next_step, serving_choice
from certs.repair import is_serviceable
from certs.rounds import LONGEST_SLEEP, REAL_TIME, Timing
from certs.state import State, read_state
from certs.stores import BundleStore, SecretStore, StoredSecret

_log = logging.getLogger(__name__)

_DEFAULT_POLICY: Final = Policy()


class Authority(Keeper):
    """One replica's part in maintaining the Secret and the caBundle, and the choice of the leaf that it serves.

    The authority calls `serve` with each new leaf. To refuse the leaf, `serve` raises CertificateError; the next round
    tries again.
    """

    def __init__(
        self,
        secrets: SecretStore,
        bundles: BundleStore,
        service: Service,
        names: Names,
        serve: Callable[[Pair], None],
        policy: Policy = _DEFAULT_POLICY,
        timing: Timing = REAL_TIME,
    ) -> None:
        super().__init__(secrets, bundles, service, timing)
        self._names = names
        self._serve = serve
        self._policy = policy
        self._memory = Memory(started=self._clock())
        self._problems: tuple[str, ...] = ()

    @property
    def serving(self) -> Pair | None:
        """The leaf that this replica serves; None until clients can trust one."""
        return self._memory.serving

    @property
    def state(self) -> State:
        """The shared state that this replica last adopted or wrote."""
        return self._memory.state

    @property
    def is_trusted(self) -> bool:
        """Whether we can assume that clients trust the served leaf. False if none is served."""
        seen, leaf = self._publisher.seen, self.serving
        issuer = seen.issuer_of(leaf) if leaf is not None else None
        return issuer is not None and seen.is_settled(issuer, LEARNED, self._clock())

    async def _round(self) -> datetime:
        configuration = await self._look()
        stored = await self._secrets.read()
        if configuration is None and stored is None:
            # Both are gone, as during an uninstall: do not create a Secret that would stay behind.
            return self._clock() + LONGEST_SLEEP
        step = await self._agree(stored)
        look_again = step.look_again
        if configuration is not None and not step.waiting:
            look_again = min(look_again, await self._publish(configuration, step.state))
        self._choose(step.state)
        return look_again

    async def _agree(self, stored: StoredSecret | None) -> Step:
        """Adopts the Secret's content, or writes the new content."""
        now = self._clock()
        state, problems = read_state(stored.data, stored.annotations) if stored else (State(), ())
        if problems != self._problems:
            self._problems = problems
            for problem in problems:
                _log.warning("the Secret is damaged: %s", problem)
        step = next_step(state, self._memory, self._publisher.seen, self._names, self._policy, now)
        if step.waiting:
            return step
        if step.changes:
            only_restored = all(change.reason == "restored" for change in step.changes)
            wait_until = self._secret_contention.may_write_at(step.state, now) if only_restored else now
            if wait_until > now:
                return replace(step, look_again=min(step.look_again, wait_until))
            await self._secrets.write(step.state.data(), stored)
            if only_restored:
                self._secret_contention = self._secret_contention.written(step.state, now)
            for change in step.changes:
                self.renewals[change] += 1
                _log.info("wrote the Secret: %s: %s", change.what, change.reason)
        self._memory = replace(self._memory, state=step.state)
        return step

    async def _publish(self, configuration: Mapping[str, Any], state: State) -> datetime:
        """Corrects the caBundle and returns when to look again. Publishes nothing while the state has no valid leaf."""
        now = self._clock()
        if not is_serviceable(state.leaf, state, now):
            return now + LONGEST_SLEEP
        try:
            return await self._publisher.publish(configuration, state.bundle(now))
        except Conflict:
            raise
        except StoreError as error:
            self._failed("bundle", error)
            return now + LONGEST_SLEEP

    def _choose(self, state: State) -> None:
        leaf = serving_choice(state, self._memory, self._publisher.seen, self._policy, self._clock())
        if leaf is None or leaf == self._memory.serving:
            return
        try:
            self._serve(leaf)
        except CertificateError as error:
            self._failed("serve", error)
            return
        self._memory = replace(self._memory, serving=leaf)
