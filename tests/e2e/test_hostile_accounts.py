"""A hostile tenant writes its own ServiceAccounts: the webhook's memory use and delays must stay small for others."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.api import Object
from tests.e2e.cluster import Cluster
from tests.e2e.objects import OTHER_ROLE, ROLE, ROLE_ANNOTATION, pod, service_account, service_accounts
from tests.e2e.rbac import account_with
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import Webhook

_ACCOUNTS = 500
# An object's annotations may have 256 KiB in total, and JSON encodes each of these characters as six bytes.
_ANNOTATION = "<" * 250_000
# The memory of a webhook that follows a handful of ServiceAccounts, plus room for one or two of the largest pages.
_MAX_MB = 160

_RESTARTS = "pod_identity_webhook_watch_restarts_total"
_LEFT_OUT = "pod_identity_webhook_cache_left_out_total"


@pytest.fixture
def webhook(own_cluster: Cluster, tmp_path: Path) -> Iterator[Webhook]:
    """A webhook for one test, not started."""
    own = Webhook(own_cluster, tmp_path, account_with(own_cluster, own_cluster.namespace("webhook")))
    yield own
    own.remove()


def peak_mb(webhook: Webhook) -> float:
    status = Path(f"/proc/{webhook.process.pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def role_of_pod(webhook: Webhook, namespace: str, account: str) -> str | None:
    answer = webhook.review(namespace, pod("app", account))
    assert answer.code == 200, answer.message
    return answer.role


def restarts(webhook: Webhook) -> dict[str, float]:
    return {name: count for name, count in webhook.metrics().items() if name.startswith(_RESTARTS) and count}


def large(name: str, role: str | None = None) -> Object:
    """Returns a ServiceAccount with more than 4 MiB of JSON: only the size of requests limits owner references."""
    made = service_account(name, role)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "<" * 750_000, "uid": "u"}
    made["metadata"]["ownerReferences"] = [owner]
    return made


def test_large_annotations_of_one_tenant_do_not_use_up_the_webhooks_memory(
    own_cluster: Cluster, webhook: Webhook, measured: Callable[[str], None]
) -> None:
    admin = own_cluster.admin
    tenant, other = own_cluster.namespace("tenant"), own_cluster.namespace("zz-other")
    admin.create(service_accounts(other), service_account("app", ROLE))

    def create(number: int) -> None:
        made = service_account(f"app-{number:03}", OTHER_ROLE)
        made["metadata"]["annotations"]["tenant.example/filler"] = _ANNOTATION
        admin.create(service_accounts(tenant), made)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create, range(_ACCOUNTS)))
    webhook.start(within=120)
    peak = peak_mb(webhook)
    measured(f"start beside {_ACCOUNTS} ServiceAccounts of 250 kB: peak {peak:.0f} MB")
    metrics = webhook.metrics()
    assert role_of_pod(webhook, other, "app") == ROLE
    assert role_of_pod(webhook, tenant, "app-123") == OTHER_ROLE
    assert peak < _MAX_MB
    assert metrics[_LEFT_OUT] == _ACCOUNTS
    assert f"ServiceAccount {tenant}/app-000: 1500" in webhook.process.log_text()
    assert webhook.process.log_text().count(f"ServiceAccount {tenant}/") <= 10
    assert restarts(webhook) == {}


def test_a_service_account_of_more_than_4_mib_stops_no_watch(
    own_cluster: Cluster, webhook: Webhook, measured: Callable[[str], None]
) -> None:
    admin = own_cluster.admin
    tenant, other = own_cluster.namespace("tenant"), own_cluster.namespace("other")
    admin.create(service_accounts(tenant), service_account("grows", ROLE))
    admin.create(service_accounts(other), service_account("app", ROLE))
    # The accounts of the previous test still exist, and the machine may be busy.
    webhook.start(within=120)
    left_out = webhook.metrics()[_LEFT_OUT]
    owners = large("grows")["metadata"]["ownerReferences"]
    path = f"{service_accounts(tenant)}/grows"

    grown = {"metadata": {"ownerReferences": owners, "annotations": {ROLE_ANNOTATION: OTHER_ROLE}}}
    admin.patch(path, grown)
    wait_until(lambda: webhook.metrics()[_LEFT_OUT] > left_out, "the large one to be left out", within=10)
    # The cached state of this account is outdated and must not be used.
    assert role_of_pod(webhook, tenant, "grows") == OTHER_ROLE
    for turn in range(5):
        admin.patch(path, {"metadata": {"annotations": {"turn": str(turn)}}})
        role = f"{OTHER_ROLE}-{turn}"
        admin.patch(f"{service_accounts(other)}/app", {"metadata": {"annotations": {ROLE_ANNOTATION: role}}})
        wait_until(lambda role=role: role_of_pod(webhook, other, "app") == role, "the change", within=5)  # type: ignore[misc]
    assert restarts(webhook) == {}

    admin.patch(path, {"metadata": {"ownerReferences": None, "annotations": {ROLE_ANNOTATION: ROLE}}})
    known = webhook.metrics()["pod_identity_webhook_cache_service_accounts"]
    wait_until(
        lambda: (
            webhook.metrics()["pod_identity_webhook_cache_service_accounts"] > known
            or role_of_pod(webhook, tenant, "grows") == ROLE
        ),
        "it to be known again",
        within=10,
    )
    admin.patch(path, grown)
    admin.delete(path)
    wait_until(lambda: role_of_pod(webhook, tenant, "grows") is None, "it to be gone", within=10)
    assert restarts(webhook) == {}
    measured(f"beside a ServiceAccount of 4.5 MB: peak {peak_mb(webhook):.0f} MB")


def test_a_webhook_starts_beside_service_accounts_of_more_than_4_mib(own_cluster: Cluster, webhook: Webhook) -> None:
    admin = own_cluster.admin
    tenant, other = own_cluster.namespace("tenant"), own_cluster.namespace("zz-other")
    for number in range(3):
        admin.create(service_accounts(tenant), large(f"large-{number}", OTHER_ROLE))
    admin.create(service_accounts(other), service_account("app", ROLE))

    webhook.start(within=60)

    assert role_of_pod(webhook, other, "app") == ROLE
    assert role_of_pod(webhook, tenant, "large-1") == OTHER_ROLE
    assert restarts(webhook) == {}
