"""The objects of a cluster in which the webhook is installed, by their paths."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.commands.replay.live import path_of

Object = dict[str, Any]

CONFIGURATION: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/pod-identity-webhook"
_CORE: Final = "/api/v1/namespaces"
SERVICE: Final = f"{_CORE}/eks/services/pod-identity-webhook"
DEPLOYMENTS: Final = "/apis/apps/v1/namespaces/eks/deployments"
REPLICA_SETS: Final = "/apis/apps/v1/namespaces/eks/replicasets"
_LABELS: Final = {"app": "webhook"}


def installed(*accounts: Object, args: Sequence[str] = (), namespaces: Mapping[str, Object] | None = None) -> Object:
    """Returns the objects of an installation whose only entry covers all pods, with ServiceAccounts.

    `args` are the webhook's flags. `namespaces` are names and labels, by default of the namespace `shop`.
    """
    return {
        CONFIGURATION: {"webhooks": [entry()]},
        SERVICE: {"spec": {"selector": _LABELS}},
        DEPLOYMENTS: {"items": [{"metadata": {"name": "other"}, "spec": {}}, deployment(*args)]},
        REPLICA_SETS: {"items": []},
        **{
            namespace_path(name): {"metadata": {"labels": labels}}
            for name, labels in (namespaces or {"shop": {}}).items()
        },
        **{path_of(account): account for account in accounts},
    }


def namespace_path(name: str) -> str:
    return f"{_CORE}/{name}"


def entry(name: str = "pods.example.com", path: str = "/mutate", ca: bytes = b"", **members: Any) -> Object:
    """Returns an entry that covers all pods, unless `members` say otherwise."""
    service = {"namespace": "eks", "name": "pod-identity-webhook", "path": path}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    config = {"service": service, "caBundle": b64encode(ca).decode()}
    return {"name": name, "clientConfig": config, "rules": [rule], **members}


def deployment(*args: str, name: str = "pod-identity-webhook") -> Object:
    return {"metadata": {"name": name, "uid": "uid-of-the-deployment"}, "spec": {"template": _template(*args)}}


def replica_set(name: str, *args: str, replicas: int = 1, owner: str = "uid-of-the-deployment") -> Object:
    metadata = {"name": name, "ownerReferences": [{"kind": "ReplicaSet", "name": owner, "uid": owner}]}
    return {"metadata": metadata, "spec": {"template": _template(*args)}, "status": {"replicas": replicas}}


def _template(*args: str) -> Object:
    container = {
        "name": "pod-identity-webhook",
        "args": ["serve", *args],
        "env": [{"name": "PIW_NAMESPACE", "value": "eks"}],
    }
    return {"metadata": {"labels": {**_LABELS, "hash": "1"}}, "spec": {"containers": [container]}}
