from collections.abc import Iterator

import msgspec

from tests.cluster.api_server import encoded, meta
from webhook.admission.settings import Settings
from webhook.cluster.account_cache import AccountCache
from webhook.cluster.account_object import AccountObject
from webhook.cluster.lookup_grace import LookupGrace

ROLE = "arn:aws:iam::111122223333:role/app"
OTHER_ROLE = "arn:aws:iam::111122223333:role/other"


def item(namespace: str, name: str, role: str = "") -> AccountObject:
    return msgspec.json.decode(encoded(meta(name, role=role, namespace=namespace)), type=AccountObject)


def listed(cache: AccountCache, *items: AccountObject) -> None:
    """Passes a whole list to the cache, in pages of one object."""
    listing = cache.begin()
    for each in items:
        listing.add([each])
    listing.commit()


def roles(cache: AccountCache, *keys: tuple[str, str]) -> Iterator[str | None]:
    for key in keys:
        account = cache.get(*key)
        yield account.annotations.get("role-arn") if account is not None else "unknown"


def test_a_list_that_changes_nothing_in_a_namespace_takes_no_more_memory_for_it() -> None:
    cache = AccountCache(Settings(), LookupGrace())
    listed(cache, item("a", "app", ROLE), item("a", "none"), item("b", "app", ROLE))
    before = cache.known_in("a"), cache.known_in("b")

    listed(cache, item("a", "app", ROLE), item("a", "none"), item("b", "app", OTHER_ROLE))

    assert cache.known_in("a") is before[0]
    assert cache.known_in("b") is not before[1]
    assert list(roles(cache, ("a", "app"), ("a", "none"), ("b", "app"))) == [ROLE, None, OTHER_ROLE]


def test_the_last_namespace_of_a_list_is_shared_too() -> None:
    cache = AccountCache(Settings(), LookupGrace())
    listed(cache, item("a", "app", ROLE))
    before = cache.known_in("a")

    listed(cache, item("a", "app", ROLE))

    assert cache.known_in("a") is before


def test_the_state_does_not_change_before_a_list_is_complete_whatever_its_order() -> None:
    cache = AccountCache(Settings(), LookupGrace())
    listed(cache, item("a", "app", ROLE), item("b", "app", ROLE))

    listing = cache.begin()
    listing.add([item("a", "app", ROLE), item("b", "app", ROLE), item("a", "app", OTHER_ROLE), item("a", "new", ROLE)])
    serving = list(roles(cache, ("a", "app"), ("a", "new"), ("b", "app")))
    listing.commit()

    assert serving == [ROLE, "unknown", ROLE]
    assert list(roles(cache, ("a", "app"), ("a", "new"), ("b", "app"))) == [OTHER_ROLE, ROLE, ROLE]


def test_an_account_that_is_missing_from_a_new_list_is_removed() -> None:
    cache = AccountCache(Settings(), LookupGrace())
    listed(cache, item("a", "app", ROLE), item("a", "gone", ROLE), item("b", "gone", ROLE))

    listed(cache, item("a", "app", ROLE))

    assert list(roles(cache, ("a", "app"), ("a", "gone"), ("b", "gone"))) == [ROLE, "unknown", "unknown"]
    assert len(cache) == 1


def test_a_change_after_a_list_with_shared_namespaces_is_seen() -> None:
    cache = AccountCache(Settings(), LookupGrace())
    listed(cache, item("a", "app", ROLE))
    listed(cache, item("a", "app", ROLE))

    cache.put(item("a", "app", OTHER_ROLE))
    cache.put(item("a", "new", ROLE))

    assert list(roles(cache, ("a", "app"), ("a", "new"))) == [OTHER_ROLE, ROLE]
