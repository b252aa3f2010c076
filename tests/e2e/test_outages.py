"""The API server goes down and comes back: the webhook never injects anything wrong, and catches up by itself."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.api import Object
from tests.e2e.cluster import Cluster
from tests.e2e.objects import OTHER_ROLE, ROLE, ROLE_ANNOTATION, config_maps, pod, service_account, service_accounts
from tests.e2e.proxy import Proxy
from tests.e2e.rbac import account_with
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import Webhook

# The webhook retries after at most 15 s and some jitter.
_CAUGHT_UP = 45.0
_AGE = 'pod_identity_webhook_cache_age_seconds{watch="serviceaccounts"}'
_SYNCED = 'pod_identity_webhook_cache_synced{watch="serviceaccounts"}'
_EXPIRED = 'pod_identity_webhook_watch_restarts_total{reason="expired"}'
_CUT = 'pod_identity_webhook_watch_restarts_total{reason="cut"}'
# After this many refusals, the next wait is at least four seconds.
_REFUSALS = 4
_AT_ONCE = 2.0
_CUTS = 12
# More than two pages of the webhook's lists.
_MANY = 1200


def _expire(cluster: Cluster) -> None:
    """Expires every resourceVersion so far: compacts etcd and restarts the API server with an empty watch cache."""
    cluster.compact()
    cluster.restart_api_server("--watch-cache=false")


class _Accounts:
    """ServiceAccounts of one namespace, and the roles that the webhook gives their pods."""

    def __init__(self, cluster: Cluster, webhook: Webhook) -> None:
        self.cluster = cluster
        self.webhook = webhook
        self.namespace = cluster.namespace("accounts")
        self.path = service_accounts(self.namespace)

    def create(self, name: str, role: str | None) -> None:
        self.cluster.admin.create(self.path, service_account(name, role))

    def change(self, name: str, role: str | None) -> None:
        self.cluster.admin.patch(f"{self.path}/{name}", {"metadata": {"annotations": {ROLE_ANNOTATION: role}}})

    def delete(self, name: str) -> None:
        self.cluster.admin.delete(f"{self.path}/{name}")

    def role(self, name: str) -> str | None:
        """Returns the role of a pod, or an error status such as `500`."""
        answer = self.webhook.review(self.namespace, pod("app", name))
        return answer.role if answer.code == 200 else str(answer.code)

    def become(self, expected: dict[str, str | None]) -> None:
        """Waits until the webhook gives these roles. It may give old roles first, but never an old one after a new."""
        wait_until(
            lambda: self.roles(expected) == expected,
            f"the roles to be {expected}",
            within=_CAUGHT_UP,
            last_seen=lambda: f"They are {self.roles(expected)}.\n{self.webhook.process.last_lines()}",
        )

    def roles(self, names: dict[str, str | None]) -> dict[str, str | None]:
        return {name: self.role(name) for name in names}


@pytest.fixture
def accounts(own_cluster: Cluster, own_webhook: Webhook) -> _Accounts:
    return _Accounts(own_cluster, own_webhook)


def test_it_answers_from_its_cache_while_the_api_server_is_down_and_catches_up_afterwards(
    own_cluster: Cluster, own_webhook: Webhook, accounts: _Accounts
) -> None:
    accounts.create("kept", ROLE)
    accounts.create("changed", ROLE)
    own_webhook.start()
    own_cluster.stop_api_server()
    assert accounts.roles({"kept": None, "changed": None}) == {"kept": ROLE, "changed": ROLE}
    unknown = own_webhook.review(accounts.namespace, pod("app", "unknown"))
    assert (unknown.code, unknown.role) == (500, None), "what is not known is no pod without credentials"
    assert f"ServiceAccount {accounts.namespace}/unknown" in unknown.message
    assert own_webhook.probe("/readyz") == 200, "one outage of the API server must not empty the endpoints"
    before = own_webhook.metrics()[_AGE]
    wait_until(lambda: own_webhook.metrics()[_AGE] > before + 1, "the age of the cache to grow", within=10)
    own_cluster.start_api_server()
    accounts.change("changed", OTHER_ROLE)
    accounts.create("new", ROLE)
    accounts.become({"kept": ROLE, "changed": OTHER_ROLE, "new": ROLE, "unknown": None})
    wait_until(lambda: own_webhook.metrics()[_AGE] < before + 1, "the age of the cache to shrink", within=_CAUGHT_UP)


def test_it_catches_up_after_its_watch_was_cut(own_webhook: Webhook, own_proxy: Proxy, accounts: _Accounts) -> None:
    accounts.create("changed", ROLE)
    accounts.create("deleted", ROLE)
    own_webhook.start()
    own_proxy.refuse()
    accounts.change("changed", OTHER_ROLE)
    accounts.delete("deleted")
    assert accounts.role("changed") == ROLE, "the last state serves on"
    seen = len(own_proxy.requests)
    own_proxy.accept()
    accounts.become({"changed": OTHER_ROLE, "deleted": None})
    lists = [asked for asked in own_proxy.requests[seen:] if "limit=" in asked]
    assert lists == [], "a watch that was cut goes on from where it was"
    assert own_webhook.metrics()[_CUT] >= 1


def test_a_cut_during_many_changes_loses_none_and_brings_no_old_one_back(
    own_webhook: Webhook, own_proxy: Proxy, accounts: _Accounts
) -> None:
    names = [f"app-{number}" for number in range(10)]
    for name in names:
        accounts.create(name, f"{ROLE}-0")
    own_webhook.start()
    seen = dict.fromkeys(names, 0)

    def look(name: str, newest: int) -> None:
        role = accounts.role(name)
        assert role is not None
        number = int(role.removeprefix(f"{ROLE}-"))
        assert seen[name] <= number <= newest
        seen[name] = number

    for turn in range(1, _CUTS + 1):
        for index, name in enumerate(names):
            accounts.change(name, f"{ROLE}-{turn}")
            if index == turn % len(names):
                own_proxy.cut()
            look(name, turn)
    accounts.become(dict.fromkeys(names, f"{ROLE}-{_CUTS}"))
    assert own_webhook.metrics()[_CUT] > 0
    assert [asked for asked in own_proxy.requests if "limit=" in asked][1:] == [], "one list, and watches from there"


def test_it_lists_again_without_a_gap_when_its_watch_is_410_gone(
    own_cluster: Cluster, own_webhook: Webhook, own_proxy: Proxy, accounts: _Accounts
) -> None:
    for name in ("kept", "changed", "deleted", "replaced"):
        accounts.create(name, ROLE)
    own_webhook.start()
    own_proxy.refuse()
    accounts.change("changed", OTHER_ROLE)
    accounts.delete("deleted")
    accounts.delete("replaced")
    accounts.create("replaced", OTHER_ROLE)
    accounts.create("added", ROLE)
    _expire(own_cluster)
    wait_until(lambda: own_webhook.metrics()[_CUT] >= _REFUSALS, "the waits to have grown", within=_CAUGHT_UP)
    seen = len(own_proxy.requests)
    own_proxy.hold_requests("limit=")
    own_proxy.accept()
    wait_until(
        lambda: own_proxy.requests[seen:],
        "the webhook to ask again",
        within=_CAUGHT_UP,
        last_seen=own_webhook.process.last_lines,
    )
    wait_until(
        lambda: own_proxy.held,
        "the webhook to list again at once after 410",
        within=_AT_ONCE,
        last_seen=own_webhook.process.last_lines,
    )
    assert "watch=" in own_proxy.requests[seen], "it has tried to go on first"
    assert own_webhook.probe("/readyz") == 200
    old = {"kept": ROLE, "changed": ROLE, "deleted": ROLE, "replaced": ROLE}
    assert accounts.roles(dict(old)) == old, "the old state serves until the new one is whole"
    own_proxy.release()
    accounts.become({"kept": ROLE, "changed": OTHER_ROLE, "deleted": None, "replaced": OTHER_ROLE, "added": ROLE})
    assert own_webhook.metrics()[_EXPIRED] == 1


def test_a_continue_token_that_expires_during_a_list_causes_no_gap_and_no_early_readiness(
    own_cluster: Cluster, own_webhook: Webhook, own_proxy: Proxy, accounts: _Accounts
) -> None:
    names = [f"app-{number}" for number in range(_MANY)]
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda name: accounts.create(name, ROLE), names))
    own_proxy.hold_requests("continue=")
    own_webhook.start(until=lambda: bool(own_proxy.held))
    assert own_webhook.probe("/readyz") == 503, "half a list is no truth"
    assert own_webhook.metrics()[_SYNCED] == 0
    own_cluster.compact()
    own_proxy.release()
    wait_until(
        own_webhook.is_ready,
        "readiness after a list from the start",
        within=_CAUGHT_UP,
        last_seen=own_webhook.process.last_lines,
    )
    firsts = [asked for asked in own_proxy.requests if "limit=" in asked and "continue=" not in asked]
    assert len(firsts) == 2, firsts
    samples = own_webhook.metrics()
    assert (samples[_SYNCED], samples[_EXPIRED]) == (1, 1)
    own_cluster.stop_api_server()
    assert [name for name in names if accounts.role(name) != ROLE] == []


def test_role_mappings_stay_in_force_during_an_outage_and_catch_up_afterwards(
    own_cluster: Cluster, own_proxy: Proxy, tmp_path: Path
) -> None:
    account = account_with(own_cluster, own_cluster.namespace("webhook"))
    own = Webhook(own_cluster, tmp_path, account, "--watch-config-map", api_url=own_proxy.url)
    accounts = _Accounts(own_cluster, own)

    def data(role: str) -> Object:
        return {"data": {"config": json.dumps({f"{accounts.namespace}/mapped": {"RoleARN": role}})}}

    path = config_maps(own.namespace)
    own_cluster.admin.create(path, {"metadata": {"name": "pod-identity-webhook"}, **data(ROLE)})
    accounts.create("mapped", None)
    try:
        own.start()
        assert accounts.role("mapped") == ROLE
        own_proxy.refuse()
        own_cluster.admin.patch(f"{path}/pod-identity-webhook", data(OTHER_ROLE))
        _expire(own_cluster)
        # For some seconds after the creation of a ServiceAccount without a role, the webhook uses live reads.
        wait_until(lambda: accounts.role("mapped") == ROLE, "the last mappings to serve on", within=20)
        assert own.probe("/readyz") == 200
        own_proxy.accept()
        accounts.become({"mapped": OTHER_ROLE})
        wait_until(lambda: own.metrics()[_EXPIRED] == 2, "both watches to have listed again", within=_CAUGHT_UP)
    finally:
        own.remove()


def test_it_is_not_ready_and_injects_nothing_wrong_before_its_first_list(
    own_webhook: Webhook, own_proxy: Proxy, accounts: _Accounts
) -> None:
    accounts.create("app", ROLE)
    own_proxy.refuse()
    own_webhook.start(until=own_webhook.is_serving)
    assert own_webhook.probe("/healthz") == 200
    assert own_webhook.probe("/readyz") == 503
    assert accounts.role("app") == "500"
    own_proxy.accept()
    wait_until(own_webhook.is_ready, "readiness", within=_CAUGHT_UP, last_seen=own_webhook.process.last_lines)
    assert accounts.role("app") == ROLE
