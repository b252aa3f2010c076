"""Pods reach the webhook through its Service, and when read back have exactly what the contract says."""

import json
from typing import Any

import pytest

from tests.e2e.api import ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.objects import (
    OTHER_ROLE,
    ROLE,
    config_maps,
    pod,
    pod_spec,
    pods,
    role_of,
    service_account,
    service_accounts,
)
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import Webhook

_MOUNT_PATH = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
_VARIABLES = [
    {"name": "AWS_ROLE_ARN", "value": ROLE},
    {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": f"{_MOUNT_PATH}/token"},
]
_MOUNT = {"name": "aws-iam-token", "mountPath": _MOUNT_PATH, "readOnly": True}
_PROJECTION = {"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"}
_VOLUME = {
    "name": "aws-iam-token",
    "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": _PROJECTION}]},
}


def _pod_of_everything(account: str) -> Object:
    made = pod("everything", account, labels={"app": "everything"})
    made["spec"]["initContainers"] = [{"name": "prepare", "image": "example.invalid/prepare"}]
    made["spec"]["containers"][0] |= {
        "env": [{"name": "MODE", "value": "test"}],
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        "startupProbe": {"httpGet": {"path": "/", "port": 8080}, "failureThreshold": 30},
    }
    made["spec"]["containers"].append({"name": "proxy", "image": "example.invalid/proxy"})
    made["spec"]["volumes"] = [{"name": "scratch", "emptyDir": {}}]
    made["metadata"]["annotations"] = {"eks.amazonaws.com/skip-containers": "proxy"}
    return made


def _of_its_author(read: Object) -> Object:
    """Returns the parts of a pod that depend on its author's manifest."""
    metadata = {key: read["metadata"].get(key) for key in ("labels", "annotations")}
    return {"metadata": metadata, "spec": read["spec"]}


def test_an_injected_pod_differs_from_its_twin_exactly_by_the_fields_of_the_contract(
    cluster: Cluster, injected: str, namespace: str
) -> None:
    for each in (injected, namespace):
        cluster.admin.create(service_accounts(each), service_account("app", ROLE))
        cluster.admin.create(pods(each), _pod_of_everything("app"))
    expected = _of_its_author(cluster.admin.get(f"{pods(namespace)}/everything"))
    for container in (expected["spec"]["initContainers"][0], expected["spec"]["containers"][0]):
        container["env"] = [*container.get("env", []), *_VARIABLES]
        container["volumeMounts"] = [*container.get("volumeMounts", []), _MOUNT]
    expected["spec"]["volumes"].append(_VOLUME)
    assert _of_its_author(cluster.admin.get(f"{pods(injected)}/everything")) == expected


def test_a_pod_without_a_role_is_left_alone(cluster: Cluster, injected: str, namespace: str) -> None:
    for each in (injected, namespace):
        cluster.admin.create(service_accounts(each), service_account("app"))
        cluster.admin.create(pods(each), pod("app", "app"))
    alone = _of_its_author(cluster.admin.get(f"{pods(namespace)}/app"))
    assert _of_its_author(cluster.admin.get(f"{pods(injected)}/app")) == alone


def test_a_pod_whose_name_is_generated_is_injected(cluster: Cluster, injected: str) -> None:
    cluster.admin.create(service_accounts(injected), service_account("app", ROLE, role_session_name="pod-name"))
    made = {"metadata": {"generateName": "app-"}, "spec": pod_spec("app")}
    created = cluster.admin.create(pods(injected), made)
    assert created["metadata"]["name"].startswith("app-")
    session_name = {
        "name": "AWS_ROLE_SESSION_NAME",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
    }
    assert created["spec"]["containers"][0]["env"] == [*_VARIABLES, session_name]


def test_kubectl_shows_our_warnings(cluster: Cluster, injected: str) -> None:
    cluster.admin.create(service_accounts(injected), service_account("app", "not-an-arn"))
    manifest = {"apiVersion": "v1", "kind": "Pod", **pod("app", "app")}
    created = cluster.kubectl("create", "--namespace", injected, "--filename=-", stdin=manifest)
    assert (created.returncode, created.stdout) == (0, "pod/app created\n"), created.stderr
    warnings = [line for line in created.stderr.splitlines() if line.startswith("Warning: ")]
    assert len(warnings) == 1, created.stderr
    assert "not-an-arn" in warnings[0]


def test_a_server_side_dry_run_is_patched_too(cluster: Cluster, injected: str) -> None:
    cluster.admin.create(service_accounts(injected), service_account("app", ROLE))
    manifest = {"apiVersion": "v1", "kind": "Pod", **pod("app", "app")}
    shown = cluster.kubectl(
        *("create", "--namespace", injected, "--dry-run=server", "--output=json", "--filename=-"), stdin=manifest
    )
    assert shown.returncode == 0, shown.stderr
    assert role_of(json.loads(shown.stdout)) == ROLE
    with pytest.raises(ApiError, match="404: "):
        cluster.admin.get(f"{pods(injected)}/app")


def test_the_pods_of_a_deployment_are_injected(cluster: Cluster, injected: str) -> None:
    cluster.admin.create(service_accounts(injected), service_account("app", ROLE))
    labels = {"app": "deployed"}
    cluster.admin.create(
        f"/apis/apps/v1/namespaces/{injected}/deployments",
        {
            "metadata": {"name": "app"},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod_spec("app")},
            },
        },
    )

    def three() -> list[Any]:
        found: list[Any] = cluster.admin.get(pods(injected))["items"]
        return found if len(found) == 3 else []

    created = wait_until(three, "the Deployment's three pods", within=60)
    assert [role_of(each) for each in created] == [ROLE] * 3


def test_a_pod_that_requires_an_identity_and_gets_none_is_refused(cluster: Cluster, injected: str) -> None:
    cluster.admin.create(service_accounts(injected), service_account("app"))
    requiring = pod("app", "app", labels={"eks.amazonaws.com/require-pod-identity": "true"})
    with pytest.raises(ApiError) as refused:
        cluster.admin.create(pods(injected), requiring)
    assert refused.value.code == 403
    assert "denied the request" in refused.value.message


def test_a_role_comes_from_the_current_config_map(cluster: Cluster, webhook: Webhook, injected: str) -> None:
    cluster.admin.create(service_accounts(injected), service_account("app"))

    def role() -> str | None:
        return role_of(cluster.admin.create(pods(injected), pod("app", "app"), dryRun="All"))

    def data(arn: str) -> Object:
        return {"data": {"config": json.dumps({f"{injected}/app": {"RoleARN": arn}})}}

    path = f"{config_maps(webhook.namespace)}/pod-identity-webhook"
    assert role() is None
    cluster.admin.create(config_maps(webhook.namespace), {"metadata": {"name": "pod-identity-webhook"}, **data(ROLE)})
    try:
        wait_until(lambda: role() == ROLE, "the mapping of the new ConfigMap", within=10)
        cluster.admin.patch(path, data(OTHER_ROLE))
        wait_until(lambda: role() == OTHER_ROLE, "the mapping of the changed ConfigMap", within=10)
    finally:
        cluster.admin.delete(path)
    wait_until(lambda: role() is None, "no mapping after the ConfigMap was deleted", within=10)
