"""The ServiceAccounts of a cluster in memory: names, and the annotations below our prefix."""

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final, TypeAlias

from webhook.admission.annotations import ROLE_ARN
from webhook.admission.identity import ServiceAccount, own_annotations
from webhook.admission.settings import Settings
from webhook.cluster.arrivals import Arrivals
from webhook.cluster.watch import PartialObject

# A watch is some milliseconds behind, seconds on a loaded API server.
RECENT_SECONDS: Final = 5.0

# None stands for a ServiceAccount without annotations of ours: most are.
_Accounts: TypeAlias = dict[str, dict[str, ServiceAccount | None]]


class AccountCache:
    """What a watch has told of ServiceAccounts; the sink of one.

    `arrivals` hears of each that was added or changed. `clock` is monotonic, `now` the wall clock.
    """

    def __init__(
        self,
        settings: Settings,
        arrivals: Arrivals,
        *,
        clock: Callable[[], float] = monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._arrivals = arrivals
        self._clock = clock
        self._now = now
        self._accounts: _Accounts = {}
        # When we were told of those without a role, oldest first.
        self._recent: dict[tuple[str, str], float] = {}

    def __len__(self) -> int:
        return sum(len(names) for names in self._accounts.values())

    def __iter__(self) -> Iterator[ServiceAccount]:
        """Those with annotations of ours."""
        for names in self._accounts.values():
            yield from (account for account in names.values() if account is not None)

    def get(self, namespace: str, name: str) -> ServiceAccount | None:
        """The ServiceAccount; None where it is unknown, and where it had no role moments ago but may have one now."""
        names = self._accounts.get(namespace)
        if names is None or name not in names:
            return None
        account = names[name]
        if account is not None and account.annotations.get(ROLE_ARN):
            return account
        told_at = self._recent.get((namespace, name))
        if told_at is not None and self._clock() - told_at < RECENT_SECONDS:
            return None
        return account or ServiceAccount(namespace, name)

    def begin(self) -> "AccountListing":
        """A list of all ServiceAccounts starts."""
        return AccountListing(self, self._now() - timedelta(seconds=RECENT_SECONDS))

    def put(self, item: PartialObject) -> None:
        """A ServiceAccount was added or changed."""
        meta = item.metadata
        self._tell(meta.namespace, meta.name, self.record(item, self._accounts))
        self._arrivals.announce(meta.namespace, meta.name)

    def delete(self, item: PartialObject) -> None:
        """A ServiceAccount was deleted."""
        meta = item.metadata
        self._recent.pop((meta.namespace, meta.name), None)
        names = self._accounts.get(meta.namespace)
        if names is not None:
            names.pop(meta.name, None)
            if not names:
                del self._accounts[meta.namespace]

    def record(self, item: PartialObject, accounts: _Accounts) -> ServiceAccount | None:
        """Notes a ServiceAccount in `accounts`; what was noted."""
        meta = item.metadata
        account = service_account(item, self._settings) if meta.annotations else None
        if account is not None and not account.annotations:
            account = None
        names = accounts.get(meta.namespace)
        if names is None:
            names = accounts[meta.namespace] = {}
        names[meta.name] = account
        return account

    def known_in(self, namespace: str) -> dict[str, ServiceAccount | None] | None:
        """What serves of a namespace, not to be changed; None where nothing is known."""
        return self._accounts.get(namespace)

    def replace(self, accounts: _Accounts, recent: Sequence[tuple[str, str]]) -> None:
        """Takes up a new state as a whole; `recent` are those without a role that have just been created."""
        self._accounts = accounts
        now = self._clock()
        self._recent = dict.fromkeys(recent, now)

    def _tell(self, namespace: str, name: str, account: ServiceAccount | None) -> None:
        key = (namespace, name)
        now = self._clock()
        self._recent.pop(key, None)
        if account is None or not account.annotations.get(ROLE_ARN):
            self._recent[key] = now
        while self._recent:
            oldest = next(iter(self._recent))
            if now - self._recent[oldest] < RECENT_SECONDS:
                break
            del self._recent[oldest]


class AccountListing:
    """The ServiceAccounts of a list that is not whole yet."""

    def __init__(self, cache: AccountCache, recent_since: datetime) -> None:
        self._cache = cache
        self._recent_since = recent_since.strftime("%Y-%m-%dT%H:%M:%SZ")
        self._accounts: _Accounts = {}
        self._namespace = ""
        self._recent: list[tuple[str, str]] = []

    def add(self, items: Sequence[PartialObject]) -> None:
        """Takes one page."""
        for item in items:
            meta = item.metadata
            if meta.namespace != self._namespace:
                self._enter(meta.namespace)
            account = self._cache.record(item, self._accounts)
            if (
                meta.creationTimestamp is not None
                and meta.creationTimestamp >= self._recent_since
                and (account is None or not account.annotations.get(ROLE_ARN))
            ):
                self._recent.append((meta.namespace, meta.name))

    def commit(self) -> None:
        """The list is whole."""
        self._leave()
        self._cache.replace(self._accounts, self._recent)

    def _enter(self, namespace: str) -> None:
        self._leave()
        self._namespace = namespace
        if namespace in self._accounts:
            # Lists are in the order of namespaces; if one is not, what serves must not change.
            self._accounts[namespace] = dict(self._accounts[namespace])

    def _leave(self) -> None:
        """Takes the serving state's own dict of a namespace where nothing has changed in it: one copy, not two."""
        known = self._cache.known_in(self._namespace)
        if known is not None and known == self._accounts.get(self._namespace):
            self._accounts[self._namespace] = known


def service_account(item: PartialObject, settings: Settings) -> ServiceAccount:
    """What admission knows of a ServiceAccount."""
    meta = item.metadata
    # The same few keys on all of them: kept once.
    annotations = {sys.intern(key): value for key, value in own_annotations(meta.annotations, settings).items()}
    return ServiceAccount(meta.namespace, meta.name, annotations)
