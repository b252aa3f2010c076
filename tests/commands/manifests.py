"""Manifests for the tests of `replay`."""

import json
from typing import Any

Object = dict[str, Any]


def service_account(namespace: str = "shop", name: str = "web", role: str = "web") -> Object:
    """Returns a ServiceAccount with a role; without one if `role` is empty."""
    annotations = {"eks.amazonaws.com/role-arn": f"arn:aws:iam::111122223333:role/{role}"} if role else {}
    metadata = {"namespace": namespace, "name": name, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def template(**metadata: Any) -> Object:
    """Returns a pod template with one container."""
    spec = {"serviceAccountName": "web", "containers": [{"name": "app", "image": "registry.example.com/app:1"}]}
    return {"metadata": metadata, "spec": spec}


def workload(kind: str, api_version: str, spec: Object, namespace: str | None = "shop") -> Object:
    """Returns an object of this kind."""
    metadata = {"name": "app"} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def pod(namespace: str | None = "shop", **metadata: Any) -> Object:
    """Returns a pod with one container."""
    made = workload("Pod", "v1", template()["spec"], namespace)
    made["metadata"].update(metadata)
    return made


def review(of: Any, uid: str = "3b1f3a5e-0000-4000-8000-000000000001") -> Object:
    """Returns the AdmissionReview of a pod's creation."""
    request = {
        "uid": uid,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "shop",
        "operation": "CREATE",
        "object": of,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def config_map(config: str) -> Object:
    """Returns the ConfigMap with the role mapping."""
    metadata = {"namespace": "eks", "name": "pod-identity-webhook"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config": config}}


def stream(*objects: Object) -> str:
    """Returns the objects as one text."""
    return "\n".join(json.dumps(each) for each in objects)
