"""Reviews for the measurements: of a small pod, a typical one (8.5 kB, as the API server sends it) and a huge one."""

import json
from typing import Any

NAMESPACE = "shop"
SERVICE_ACCOUNT = "checkout"
ROLE_ARN = "arn:aws:iam::111122223333:role/checkout"


def review(pod: dict[str, Any], number: int = 0) -> bytes:
    """An AdmissionReview as the API server sends it for the creation of `pod`. Its uid contains `number`."""
    request = {
        "uid": f"705ab4f5-6393-11e8-b7cc-{number:012x}",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
        "requestResource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": NAMESPACE,
        "operation": "CREATE",
        "userInfo": {
            "username": "system:serviceaccount:kube-system:replicaset-controller",
            "uid": "5b6cbb29-1f8f-4f1f-9d6a-0d3f6f3c9c7e",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
        },
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(body, separators=(",", ":")).encode()


def small() -> bytes:
    """One container, nothing else."""
    return review(_managed({"metadata": {"generateName": "checkout-"}, "spec": _spec([_bare("app")])}))


def typical(number: int = 0) -> bytes:
    """A Deployment's pod with a sidecar and an init container, as the API server sends it: 8.5 kB.

    `number` changes the uid of the review and the length of the Deployment's name.
    """
    containers = [_container("app", 8), _container("proxy", 2)]
    replica_set = f"checkout{'s' * (number % 50)}-7d4b9c6f5d"
    metadata = {
        "generateName": f"{replica_set}-",
        "creationTimestamp": None,
        "labels": {
            "app.kubernetes.io/name": "checkout",
            "app.kubernetes.io/instance": "shop",
            "app.kubernetes.io/version": "1.2.3",
            "pod-template-hash": "7d4b9c6f5d",
        },
        "annotations": {
            "checksum/config": "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
            "prometheus.io/scrape": "true",
            "prometheus.io/port": "8080",
        },
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": replica_set,
                "uid": "0f0d9b5e-2ab3-4b6b-8f4f-3cf0a3f0a3f0",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    return review(_managed({"metadata": metadata, "spec": _spec(containers, [_bare("migrate")])}), number)


def huge() -> bytes:
    """300 containers."""
    containers = [_container(f"worker-{n}", 10) for n in range(300)]
    return review(_managed({"metadata": {"generateName": "checkout-"}, "spec": _spec(containers)}))


def _managed(pod: dict[str, Any]) -> dict[str, Any]:
    """The pod with the managed fields that the API server adds before it calls webhooks (structured-merge-diff)."""
    manager = {
        "manager": "kube-controller-manager",
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": _fields(pod),
    }
    return {**pod, "metadata": {**pod["metadata"], "managedFields": [manager]}}


def _fields(value: Any) -> dict[str, Any]:
    """The field set: members by name, list entries by their key."""
    if isinstance(value, dict):
        return {f"f:{name}": _fields(member) for name, member in value.items() if member is not None}
    keyed = isinstance(value, list) and value and isinstance(value[0], dict)
    if not keyed or not isinstance(value, list):
        return {}
    key = next((key for key in ("mountPath", "name", "uid", "key") if key in value[0]), "")
    return {f'k:{{"{key}":"{item[key]}"}}': {".": {}, **_fields(item)} for item in value if key}


def _spec(containers: list[dict[str, Any]], init_containers: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "volumes": [
            {
                "name": "kube-api-access-x7k2p",
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    ],
                    "defaultMode": 420,
                },
            },
            {"name": "config", "configMap": {"name": "checkout", "defaultMode": 420}},
        ],
        "containers": containers,
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": SERVICE_ACCOUNT,
        "serviceAccount": SERVICE_ACCOUNT,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "fsGroup": 10001},
        "schedulerName": "default-scheduler",
        "tolerations": [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
        ],
        "priority": 0,
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
    }
    if init_containers:
        spec["initContainers"] = init_containers
    return spec


def _bare(name: str) -> dict[str, Any]:
    return {"name": name, "image": f"registry.example.com/shop/{name}:1.2.3"}


def _container(name: str, variables: int) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10}
    return {
        "name": name,
        "image": f"registry.example.com/shop/{name}:1.2.3",
        "args": ["--listen=:8080", "--log-format=json"],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{n:02}", "value": f"the value of setting number {n}"} for n in range(variables)],
        "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
        "volumeMounts": [
            {"name": "config", "readOnly": True, "mountPath": "/etc/checkout"},
            {
                "name": "kube-api-access-x7k2p",
                "readOnly": True,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            },
        ],
        "livenessProbe": probe,
        "readinessProbe": probe,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
        },
    }
