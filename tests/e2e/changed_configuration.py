"""Changes of a release's MutatingWebhookConfiguration that keep the API server from calling the webhook."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.e2e.api import Object
from tests.e2e.cluster import Cluster
from tests.e2e.helm_release import HelmRelease
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts
from tests.e2e.waiting import wait_until


def shop_in(cluster: Cluster) -> str:
    """Creates a namespace with a ServiceAccount that has a role."""
    name = cluster.namespace("shop")
    cluster.admin.create(service_accounts(name), service_account("reports", ROLE))
    return name


def wait_until_called(release: HelmRelease) -> None:
    """Waits until the API server calls the webhook."""
    namespace = shop_in(release.cluster)

    def is_patched() -> bool:
        created = release.admin.create(pods(namespace), pod("probe", "reports"), dryRun="All")
        return role_of(created) == ROLE

    wait_until(is_patched, "the API server to call the webhook", within=60)


@contextmanager
def changed(release: HelmRelease, change: Callable[[list[Object]], object]) -> Iterator[None]:
    """Changes the entries of the configuration, and restores them in the end."""
    before = release.admin.get(release.configuration)
    after = copy.deepcopy(before)
    change(after["webhooks"])
    _write(release, after)
    try:
        yield
    finally:
        _write(release, before)
        wait_until_called(release)


def _write(release: HelmRelease, configuration: Object) -> None:
    release.admin.patch(release.configuration, {"webhooks": configuration["webhooks"]})


def without(*names: str) -> Callable[[list[Object]], object]:
    def change(entries: list[Object]) -> None:
        entries[:] = [entry for entry in entries if entry["name"] not in names]

    return change


def other_service(entries: list[Object]) -> None:
    for entry in entries:
        entry["clientConfig"]["service"]["name"] = "other"


def one_other_service(entries: list[Object]) -> None:
    entries[-1]["clientConfig"]["service"]["name"] = "other"


def opt_in(entries: list[Object]) -> None:
    for entry in entries:
        entry["namespaceSelector"].setdefault("matchLabels", {})["injection"] = "on"


def excluded_pods(entries: list[Object]) -> None:
    for entry in entries:
        entry["objectSelector"].setdefault("matchLabels", {})["injection"] = "on"
