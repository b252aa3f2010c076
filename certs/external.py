"""An external certificate (from cert-manager or an admin): keeps its CAs in the caBundle, and publishes them first.

During a rollout from one kind of certificate to the other, replicas with an external certificate run beside replicas
with the self-managed one. So each kind keeps the CAs of the other in the caBundle. A replica with an external
certificate writes its CA into the Secret as a previous CA, for a day at a time, and keeps the Secret's CAs published
while another replica may serve one of their leaves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from certs.bundle import Service
from certs.bundle_history import LEARNED
from certs.errors import Conflict, StoreError
from certs.issue import Pair
from certs.keeper import Keeper
from certs.pem import is_issued_by, read_certificates
from certs.renewal import ends_at, is_current
from certs.repair import MOST_PREVIOUS, Change
from certs.rounds import LONGEST_SLEEP, REAL_TIME, Timing
from certs.state import PreviousCa, State, previous_data, read_state
from certs.stores import BundleStore, SecretStore, StoredSecret

# The longest rollout from one kind of certificate to the other.
HANDOVER: Final = timedelta(days=1)
_LONGEST_CHAIN: Final = 4


@dataclass(frozen=True)
class ExternalCertificate:
    """A leaf (or chain) with its key, and the CAs in its CA file, in `certs.pem.canonical` form."""

    pair: Pair
    cas: tuple[bytes, ...]

    def signers(self) -> tuple[bytes, ...]:
        """Returns the CAs that verify the leaf, directly or through its chain; an empty tuple if none does."""
        current, chain = self.pair.certificate, read_certificates(self.pair.certificate)[0][1:]
        for _ in range(_LONGEST_CHAIN):
            found = tuple(ca for ca in self.cas if is_issued_by(current, ca))
            if found:
                return found[:_LONGEST_CHAIN]
            above = next((one for one in chain if is_issued_by(current, one)), None)
            if above is None:
                break
            current = above
        return ()


class ExternalCertificateAuthority(Keeper):
    """One replica's part in maintaining the caBundle for an external certificate.

    `newest` returns the current certificate; the replica already serves the first one. The authority calls `serve` with
    a newer one as soon as its CAs have been published for `settle`, or as soon as the served one has ended. To refuse
    the certificate, `serve` raises CertificateError.
    """

    def __init__(
        self,
        secrets: SecretStore,
        bundles: BundleStore,
        service: Service,
        newest: Callable[[], ExternalCertificate],
        serve: Callable[[Pair], None],
        settle: timedelta,
        timing: Timing = REAL_TIME,
    ) -> None:
        super().__init__(secrets, bundles, service, timing)
        self._newest = newest
        self._serve = serve
        self._settle = settle
        self._started = self._clock()
        self._found: frozenset[bytes] | None = None
        self._serving = newest()

    @property
    def is_trusted(self) -> bool:
        """Whether we can assume that clients trust the served certificate."""
        seen, now = self._publisher.seen, self._clock()
        return all(seen.is_settled(ca, LEARNED, now) for ca in self._serving.cas)

    async def _round(self) -> datetime:
        external = self._newest()
        configuration = await self._look()
        if configuration is None:
            # If the CA of a new leaf has been published for long enough, the leaf need not wait for the API server.
            return self._choose(external, self._clock() + LONGEST_SLEEP)
        if self._found is None:
            self._found = frozenset(self._publisher.seen.since)
        state = await self._vouch(external)
        cas = (*external.cas, *self._serving.cas, *self._still_needed(state))
        try:
            look_again = await self._publisher.publish(configuration, b"".join(dict.fromkeys(cas)))
        except Conflict:
            raise
        except StoreError as error:
            self._failed("bundle", error)
            return self._clock()
        return min(look_again, self._choose(external, look_again))

    async def _vouch(self, external: ExternalCertificate) -> State:
        """Writes our CAs into the Secret for the self-managed replicas; returns the state that it read before."""
        try:
            stored = await self._secrets.read()
            if stored is None:
                return State()
            state, _ = read_state(stored.data, stored.annotations)
            await self._write_previous(state, stored, external)
        except Conflict:
            raise
        except StoreError as error:
            self._failed("secret", error)
            return State()
        return state

    async def _write_previous(self, state: State, stored: StoredSecret, external: ExternalCertificate) -> None:
        now = self._clock()
        signers = dict.fromkeys((*external.signers(), *self._serving.signers()))
        # Leave out expired CAs: no client accepts a certificate that they signed.
        ours = [ca for ca in signers if is_current(ca, now)]
        known = {ca.certificate: ca.until for ca in state.previous}
        needed = {ca: min(now + HANDOVER / 2, ends_at(ca)) for ca in ours}
        if all((until := known.get(ca)) is not None and until >= needed[ca] for ca in ours):
            return
        if self._secret_contention.may_write_at(tuple(ours), now) > now:
            return
        until = (now + HANDOVER).replace(microsecond=0)
        others = [ca for ca in state.previous if ca.certificate not in ours]
        previous = [*others, *(PreviousCa(ca, min(until, ends_at(ca))) for ca in ours)]
        await self._secrets.write(previous_data(previous[-MOST_PREVIOUS:]), stored)
        self._secret_contention = self._secret_contention.written(tuple(ours), now)
        self.renewals[Change("previous CAs", "external")] += 1

    def _still_needed(self, state: State) -> list[bytes]:
        """Returns the Secret's published CAs that a self-managed replica may still need.

        A CA that was published before we started may belong to a replica that the rollout is replacing: keep it for
        HANDOVER. A CA published later belongs to a new replica: keep it.
        """
        now, since = self._clock(), self._publisher.seen.since
        signing = [pair.certificate for pair in (state.ca, state.next_ca) if pair is not None]
        has_left = (self._found or frozenset()) if now >= self._started + HANDOVER else frozenset()
        previous = [ca.certificate for ca in state.previous if ca.until is None or ca.until > now]
        return [ca for ca in (*signing, *previous) if ca in since and ca not in has_left and is_current(ca, now)]

    def _choose(self, external: ExternalCertificate, look_again: datetime) -> datetime:
        """Serves the newest certificate once that is safe; returns when to look again."""
        if external.pair == self._serving.pair:
            self._serving = external
            return look_again
        now, seen = self._clock(), self._publisher.seen
        settled = [seen.settled_at(ca, self._settle) or look_again for ca in external.cas]
        if max(settled) > now and is_current(self._serving.pair.certificate, now):
            return max(settled)
        self._serve(external.pair)
        self._serving = external
        return look_again
