"""An account without a role is looked up for some seconds after each change; what the cache forgets."""

from datetime import UTC, datetime

import msgspec

from tests.cluster.api_server import (
    encoded,
)
from webhook.admission.identity import ServiceAccount
from webhook.admission.settings import Settings
from webhook.cluster.account_cache import AccountCache
from webhook.cluster.account_object import AccountMeta, AccountObject
from webhook.cluster.lookup_grace import LookupGrace

ROLE = "arn:aws:iam::123456789012:role/app"


def account(name: str, namespace: str = "apps", **annotations: str) -> AccountObject:
    own = {f"eks.amazonaws.com/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return AccountObject(AccountMeta(name=name, namespace=namespace, annotations=msgspec.Raw(encoded(own))))


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def cache_at(clock: Clock) -> AccountCache:
    now = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
    return AccountCache(Settings(), LookupGrace(), clock=clock, now=lambda: now)


def test_without_a_role_it_is_looked_up_for_five_seconds_after_each_change() -> None:
    clock = Clock()
    cache = cache_at(clock)
    cache.put(account("a"))
    assert cache.get("apps", "a") is None
    clock.seconds += 4.9
    assert cache.get("apps", "a") is None
    clock.seconds += 0.1
    assert cache.get("apps", "a") == ServiceAccount("apps", "a")
    cache.put(account("a", audience="x"))
    assert cache.get("apps", "a") is None
    clock.seconds += 5
    assert cache.get("apps", "a") == ServiceAccount("apps", "a", {"audience": "x"})


def test_with_a_role_it_is_answered_at_once() -> None:
    cache = cache_at(Clock())
    cache.put(account("a"))
    cache.put(account("a", role_arn=ROLE))
    assert cache.get("apps", "a") == ServiceAccount("apps", "a", {"role-arn": ROLE})
    cache.put(account("a", role_arn=""))
    assert cache.get("apps", "a") is None


def test_a_list_shows_which_accounts_were_created_in_the_last_five_seconds() -> None:
    clock = Clock()
    cache = cache_at(clock)
    listing = cache.begin()
    items = [account("old"), account("new"), account("new-with-role", role_arn=ROLE)]
    for item, created in zip(
        items, ["2026-01-31T11:59:54Z", "2026-01-31T11:59:55Z", "2026-01-31T12:00:00Z"], strict=True
    ):
        item.metadata.creationTimestamp = created
    listing.add(items)
    assert len(cache) == 0
    listing.commit()
    assert cache.get("apps", "old") == ServiceAccount("apps", "old")
    assert cache.get("apps", "new") is None
    assert cache.get("apps", "new-with-role") is not None
    clock.seconds += 5
    assert cache.get("apps", "new") == ServiceAccount("apps", "new")


def test_an_account_is_recent_for_five_seconds() -> None:
    clock = Clock()
    cache = cache_at(clock)
    for number in range(100):
        cache.put(account(f"a{number}"))
        clock.seconds += 1
    assert len(cache._recent) == 5
    cache.delete(account("a99").metadata)
    assert len(cache._recent) == 4
    assert len(cache) == 99


def test_deleting_the_last_of_a_namespace_forgets_the_namespace() -> None:
    cache = cache_at(Clock())
    cache.put(account("a"))
    cache.delete(account("a").metadata)
    cache.delete(account("a").metadata)
    cache.delete(account("a", "unknown").metadata)
    assert cache._accounts == {}
