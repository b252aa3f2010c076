"""A namespace with the label that requires a role: no pod runs without its role, whether the webhook answers or not."""

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
SKIPPED: Final = {"eks.amazonaws.com/skip-pod-identity-webhook": "true"}
ENTRY: Final = "required-by-namespace.pod-identity-webhook.amazonaws.com"


@pytest.fixture
def release(cluster: Cluster, tmp_path: Path) -> Iterator[HelmRelease]:
    own = HelmRelease(cluster, tmp_path)
    yield own
    own.close()


def test_in_a_namespace_that_requires_identity_no_pod_lacks_its_role(cluster: Cluster, release: HelmRelease) -> None:
    release.install({})
    release.deployment.wait_rolled_out()
    namespace = cluster.namespace("requiring")
    cluster.admin.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": {REQUIRE: "True"}}})
    for account in (service_account("app", ROLE), service_account("plain"), service_account("default")):
        cluster.admin.ensure(service_accounts(namespace), account)

    def created(account: str, labels: dict[str, str], *, skipped: str = "") -> Object:
        made = pod("app", account, labels=labels)
        made["metadata"]["annotations"] = {"eks.amazonaws.com/skip-containers": skipped}
        return cluster.admin.create(pods(namespace), made, dryRun="All")

    wait_until(lambda: role_of(created("app", SKIPPED)) == ROLE, "the API server to know of the label", within=15)
    kept: list[dict[str, str]] = [{}, {REQUIRE: "false"}, {REQUIRE: "0", **SKIPPED}, {REQUIRE: "true", **SKIPPED}]
    for labels in kept:
        assert role_of(created("app", labels)) == ROLE, labels
    with pytest.raises(
        ApiError, match=r"the namespace is labelled .* but the pod would lack its credentials"
    ) as refused:
        created("app", {}, skipped="app")
    assert refused.value.code == 403
    for labels in ({}, SKIPPED):
        assert role_of(created("plain", labels)) is None
    with pytest.raises(ApiError, match="the pod is labelled"):
        created("plain", {REQUIRE: "true"})
    assert cluster.admin.create(pods(namespace), mirror_pod({}), dryRun="All")

    release.upgrade({"replicaCount": 0})
    assert release.deployment.pods == []
    refusals: list[tuple[str, dict[str, str], str]] = [
        ("app", {}, ENTRY),
        ("app", SKIPPED, ENTRY),
        ("app", {REQUIRE: "false"}, f"not-required.{ENTRY}"),
        ("plain", {}, ENTRY),
    ]
    for name, labels, entry in refusals:
        with pytest.raises(ApiError) as away:
            created(name, labels)
        assert away.value.code == 500
        assert f'failed calling webhook "{entry}"' in away.value.message
