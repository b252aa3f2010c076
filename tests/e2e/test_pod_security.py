"""The API server enforces the restricted Pod Security Standard in a namespace: it still admits our patched pods."""

import pytest

from tests.charts.rendering import Rendered
from tests.e2e.api import ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts
from tests.features import Feature

pytestmark = pytest.mark.needs(Feature.POD_SECURITY)

_ENFORCED = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}


def _restricted(made: Object) -> Object:
    made["spec"]["securityContext"] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for container in made["spec"]["containers"]:
        container["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return made


def test_a_restricted_pod_stays_restricted_after_injection(cluster: Cluster, injected: str) -> None:
    cluster.admin.patch(f"/api/v1/namespaces/{injected}", _ENFORCED)
    cluster.admin.create(service_accounts(injected), service_account("app", ROLE))

    with pytest.raises(ApiError, match=r'403: .*violates PodSecurity "restricted:latest"'):
        cluster.admin.create(pods(injected), pod("unrestricted", "app"))
    assert role_of(cluster.admin.create(pods(injected), _restricted(pod("app", "app")))) == ROLE


def test_the_pods_of_the_chart_are_admitted(cluster: Cluster, namespace: str) -> None:
    cluster.admin.patch(f"/api/v1/namespaces/{namespace}", _ENFORCED)
    rendered = Rendered(namespace=namespace)
    account = rendered.pod["spec"]["serviceAccountName"]
    cluster.admin.create(service_accounts(namespace), service_account(account))

    cluster.admin.create(pods(namespace), {**rendered.pod, "metadata": {"name": "ours"}})
