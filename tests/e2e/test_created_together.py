"""A ServiceAccount and its pod, created right after one another: every pod must get its role."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.objects import ROLE, ROLE_ANNOTATION, pod, pods, role_of, service_account, service_accounts
from tests.e2e.proxy import Proxy
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import Webhook

_AT_ONCE = 50


def _together(cluster: Cluster, namespace: str, name: str) -> bool:
    """Creates both and returns whether the pod has its role."""
    cluster.admin.create(service_accounts(namespace), service_account(name, ROLE))
    return role_of(cluster.admin.create(pods(namespace), pod(name, name))) == ROLE


def _many_together(cluster: Cluster, namespace: str, names: list[str]) -> list[str]:
    """Creates pairs concurrently and returns the names of the pods without a role."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda name: _together(cluster, namespace, name), names)
        return [name for name, injected in zip(names, found, strict=True) if not injected]


def test_none_of_300_pods_one_after_another_is_missed(cluster: Cluster, injected: str) -> None:
    missed = [number for number in range(300) if not _together(cluster, injected, f"app-{number}")]
    assert missed == []


@pytest.mark.parametrize("batch", range(6))
def test_none_of_50_pods_at_once_is_missed(cluster: Cluster, injected: str, batch: int) -> None:
    assert _many_together(cluster, injected, [f"app-{batch}-{number}" for number in range(_AT_ONCE)]) == []


@pytest.mark.parametrize("batch", range(3))
def test_none_of_50_pods_at_once_is_missed_by_a_webhook_that_has_just_started(
    cluster: Cluster, proxied_webhook: Webhook, batch: int
) -> None:
    proxied_webhook.start()
    proxied_webhook.register()
    namespace = proxied_webhook.pod_namespace("cold")
    proxied_webhook.process.kill()
    proxied_webhook.start()
    assert _many_together(cluster, namespace, [f"app-{batch}-{number}" for number in range(_AT_ONCE)]) == []


def test_none_of_50_pods_at_once_is_missed_while_the_watch_is_silent(
    cluster: Cluster, proxied_webhook: Webhook, proxy: Proxy, measured: Callable[[str], None]
) -> None:
    proxied_webhook.start()
    proxied_webhook.register()
    namespace = proxied_webhook.pod_namespace("silent")
    proxy.hold_answers("watch=")
    already = len(proxy.requests)
    assert _many_together(cluster, namespace, [f"app-{number}" for number in range(_AT_ONCE)]) == []
    assert proxy.held, "the watch's events were not held back: this proved nothing"
    measured(f"live reads for {_AT_ONCE} pods at once while the watch is silent: {len(proxy.requests) - already}")


def test_a_role_added_to_a_new_service_account_while_the_watch_is_silent_is_found(
    cluster: Cluster, proxied_webhook: Webhook, proxy: Proxy
) -> None:
    proxied_webhook.start()
    proxied_webhook.register()
    namespace = proxied_webhook.pod_namespace("annotated")

    def role() -> str | None:
        return role_of(cluster.admin.create(pods(namespace), pod("app", "app"), dryRun="All"))

    cluster.admin.create(service_accounts(namespace), service_account("other", ROLE))
    cluster.admin.create(service_accounts(namespace), service_account("app"))
    assert role() is None
    proxy.hold_answers("watch=")
    annotated = {"metadata": {"annotations": {ROLE_ANNOTATION: ROLE}}}
    cluster.admin.patch(f"{service_accounts(namespace)}/app", annotated)
    wait_until(lambda: proxy.held, "the event of the annotation to be held back", within=5)
    assert role() == ROLE
