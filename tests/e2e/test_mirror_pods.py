"""Mirror pods of static pods: we admit them unchanged, even if the ServiceAccount `default` has a role."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.api import ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.helm_release import HelmRelease
from tests.e2e.objects import ROLE, mirror_pod, pod, pods, role_of, service_account, service_accounts
from tests.e2e.waiting import wait_until

REQUIRE: Final = "eks.amazonaws.com/require-pod-identity"
MAPPING: Final = {"config": {"podIdentityWebhookMap": {"enabled": True, "data": {"*/*": {"RoleARN": ROLE}}}}}


@pytest.fixture
def release(cluster: Cluster, tmp_path: Path) -> Iterator[HelmRelease]:
    own = HelmRelease(cluster, tmp_path)
    yield own
    own.close()


def _token_volumes(created: Object) -> list[Object]:
    return [volume for volume in created["spec"].get("volumes", []) if "projected" in volume]


@pytest.mark.parametrize("values", [{}, MAPPING], ids=["annotation", "mapping with globs"])
def test_every_entry_admits_a_mirror_pod_unchanged(
    cluster: Cluster, release: HelmRelease, values: dict[str, Object]
) -> None:
    release.install(values)
    release.deployment.wait_rolled_out()
    requiring, plain = cluster.namespace("mirror-required"), cluster.namespace("mirror")
    cluster.admin.patch(f"/api/v1/namespaces/{requiring}", {"metadata": {"labels": {REQUIRE: "true"}}})
    for namespace in (requiring, plain):
        _give_role(cluster, namespace)
        # Each entry calls the webhook, and pods with the ServiceAccount `default` get the role in each namespace.
        wait_until(lambda namespace=namespace: _role(cluster, namespace) == ROLE, "the role", within=15)  # type: ignore[misc]
        for labels in ({}, {REQUIRE: "true"}, {REQUIRE: "certainly"}):
            created = cluster.admin.create(pods(namespace), mirror_pod(labels), dryRun="All")
            assert _token_volumes(created) == [], (namespace, labels)
            assert role_of(created) is None
    asked = 'pod_identity_webhook_decisions_total{reason="no_service_account"}'
    assert sum(one.metric(asked) for one in release.deployment.pods) == 6


def _role(cluster: Cluster, namespace: str) -> str | None:
    return role_of(cluster.admin.create(pods(namespace), pod("app", "default"), dryRun="All"))


def _give_role(cluster: Cluster, namespace: str) -> None:
    try:
        cluster.admin.create(service_accounts(namespace), service_account("default", ROLE))
    except ApiError as error:
        if error.code != 409:
            raise
        cluster.admin.patch(f"{service_accounts(namespace)}/default", service_account("default", ROLE))
