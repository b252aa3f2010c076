"""A cache of a cluster's ServiceAccounts: their names and our annotations."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final, TypeAlias

from webhook.admission.annotations import ROLE_ARN
from webhook.admission.identity import ServiceAccount
from webhook.admission.settings import Settings
from webhook.cluster.account_object import AccountObject, service_account
from webhook.cluster.collection import ObjectMeta
from webhook.cluster.left_out import LeftOut
from webhook.cluster.lookup_grace import LookupGrace

# The limit in characters for all our annotations on one ServiceAccount. A role ARN has at most 2048 characters, an
# audience 255 (IAM), a session name 64 (STS), a number or a bool 20; the rest is for lists of containers.
_MAX_KEPT: Final = 4096

# A watch lags by some milliseconds, and by seconds if the API server is under load.
RECENT_SECONDS: Final = 5.0

# Namespace, then name. None stands for a ServiceAccount without our annotations; most have none.
_Accounts: TypeAlias = dict[str, dict[str, ServiceAccount | None]]


class AccountCache:
    """The ServiceAccounts from a watch; implements Sink.

    The cache announces each ServiceAccount that was added or changed to `grace`. It does not store one that is too
    large, so each of its pods needs a live read; `left_out` counts these. `clock` is monotonic, `now` is the wall
    clock.
    """

    def __init__(
        self,
        settings: Settings,
        grace: LookupGrace,
        *,
        clock: Callable[[], float] = monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._grace = grace
        self._clock = clock
        self._now = now
        self.left_out = LeftOut(clock)
        self._accounts: _Accounts = {}
        # When the watch reported each ServiceAccount without a role, oldest first.
        self._recent: dict[tuple[str, str], float] = {}

    def __len__(self) -> int:
        return sum(len(names) for names in self._accounts.values())

    def __iter__(self) -> Iterator[ServiceAccount]:
        """Yields the ServiceAccounts with our annotations, or with some that were probably meant to be ours."""
        for names in self._accounts.values():
            yield from (account for account in names.values() if account is not None)

    def get(self, namespace: str, name: str) -> ServiceAccount | None:
        """Returns the ServiceAccount; None if it is unknown, or if it had no role moments ago but may have one now."""
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
        """Starts a list of all ServiceAccounts."""
        return AccountListing(self, self._now() - timedelta(seconds=RECENT_SECONDS))

    def put(self, item: AccountObject) -> None:
        """Stores a ServiceAccount that was added or changed."""
        meta = item.metadata
        self._tell(meta.namespace, meta.name, self.record(item, self._accounts))
        self._grace.announce(meta.namespace, meta.name)

    def skip(self, meta: ObjectMeta, size: int) -> None:
        """Removes a ServiceAccount that was added or changed and is too large to decode."""
        self.left_out.note(meta.namespace, meta.name, f"{size} bytes")
        self.delete(meta)
        self._grace.announce(meta.namespace, meta.name)

    def delete(self, meta: ObjectMeta) -> None:
        """Removes a ServiceAccount that was deleted."""
        self._recent.pop((meta.namespace, meta.name), None)
        _forget(self._accounts, meta.namespace, meta.name)

    def record(self, item: AccountObject, accounts: _Accounts) -> ServiceAccount | None:
        """Stores a ServiceAccount in `accounts` and returns it; returns None if it is too large."""
        account = service_account(item, self._settings)
        namespace, name = account.namespace, account.name
        size = sum(map(len, account.annotations.values()))
        if size > _MAX_KEPT:
            self.left_out.note(namespace, name, f"{size} characters in our annotations")
            _forget(accounts, namespace, name)
            return None
        names = accounts.get(namespace)
        if names is None:
            names = accounts[namespace] = {}
        names[name] = account if account.annotations or account.meant else None
        return account

    def known_in(self, namespace: str) -> dict[str, ServiceAccount | None] | None:
        """Returns the current state of a namespace, which the caller must not change; None if it is unknown."""
        return self._accounts.get(namespace)

    def replace(self, accounts: _Accounts, recent: Sequence[tuple[str, str]]) -> None:
        """Replaces the whole state; `recent` names the ServiceAccounts without a role that were just created."""
        self._accounts = accounts
        now = self._clock()
        self._recent = dict.fromkeys(recent, now)

    def _tell(self, namespace: str, name: str, account: ServiceAccount | None) -> None:
        key = (namespace, name)
        now = self._clock()
        self._recent.pop(key, None)
        if account is not None and not account.annotations.get(ROLE_ARN):
            self._recent[key] = now
        while self._recent:
            oldest = next(iter(self._recent))
            if now - self._recent[oldest] < RECENT_SECONDS:
                break
            del self._recent[oldest]


class AccountListing:
    """The ServiceAccounts of a list that is in progress."""

    def __init__(self, cache: AccountCache, recent_since: datetime) -> None:
        self._cache = cache
        self._recent_since = recent_since.strftime("%Y-%m-%dT%H:%M:%SZ")
        self._accounts: _Accounts = {}
        self._namespace = ""
        self._recent: list[tuple[str, str]] = []

    def add(self, items: Sequence[AccountObject]) -> None:
        """Takes the objects of one page."""
        for item in items:
            meta = item.metadata
            if meta.namespace != self._namespace:
                self._enter(meta.namespace)
            account = self._cache.record(item, self._accounts)
            if (
                account is not None
                and meta.creationTimestamp is not None
                and meta.creationTimestamp >= self._recent_since
                and not account.annotations.get(ROLE_ARN)
            ):
                self._recent.append((meta.namespace, meta.name))

    def skip(self, meta: ObjectMeta, size: int) -> None:
        """Leaves a ServiceAccount out of the new state because it is too large to decode."""
        self._cache.left_out.note(meta.namespace, meta.name, f"{size} bytes")

    def commit(self) -> None:
        """Replaces the cache's state: the list is complete."""
        self._leave()
        self._cache.replace(self._accounts, self._recent)

    def _enter(self, namespace: str) -> None:
        self._leave()
        self._namespace = namespace
        if namespace in self._accounts:
            # Lists are sorted by namespace. If one is not, this dict may be shared with the cache: copy it.
            self._accounts[namespace] = dict(self._accounts[namespace])

    def _leave(self) -> None:
        """Reuses the cache's own dict for a namespace that has not changed: this saves the memory of a copy."""
        known = self._cache.known_in(self._namespace)
        if known is not None and known == self._accounts.get(self._namespace):
            self._accounts[self._namespace] = known


def _forget(accounts: _Accounts, namespace: str, name: str) -> None:
    names = accounts.get(namespace)
    if names is not None:
        names.pop(name, None)
        if not names:
            del accounts[namespace]
