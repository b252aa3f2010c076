"""Objects that the tests create, and their API paths."""

from tests.e2e.api import Object

ROLE = "arn:aws:iam::111122223333:role/s3-reader"
OTHER_ROLE = "arn:aws:iam::111122223333:role/s3-writer"
ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"


def service_accounts(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/serviceaccounts"


def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def config_maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def service_account(name: str, role: str | None = None, **annotations: str) -> Object:
    """Returns a ServiceAccount. The keys of `annotations` omit our prefix and have `_` instead of `-`."""
    given = {ROLE_ANNOTATION: role} if role is not None else {}
    given |= {f"eks.amazonaws.com/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return {"metadata": {"name": name, "annotations": given}}


def pod_spec(account: str) -> Object:
    """Returns a pod spec without the cluster's own token.

    Kubernetes 1.20 refuses the pod if no controller has made that token, and the name of its volume is random.
    """
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "containers": [{"name": "app", "image": "example.invalid/app"}],
    }


def pod(name: str, account: str, *, labels: dict[str, str] | None = None) -> Object:
    """Returns a pod with one container, `app`, that is never scheduled."""
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": pod_spec(account)}


def mirror_pod(labels: dict[str, str]) -> Object:
    """Returns a mirror pod as kubelet creates it for a static pod: with a node, and without a ServiceAccount."""
    made = pod("static", "", labels=labels)
    del made["spec"]["serviceAccountName"]
    made["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "hash"}
    made["spec"]["nodeName"] = "node"
    return made


def role_of(created: Object, container: str = "app") -> str | None:
    """Returns the role that a container of a created pod got."""
    for found in [*created["spec"].get("initContainers", []), *created["spec"]["containers"]]:
        if found["name"] == container:
            for variable in found.get("env", []):
                if variable["name"] == "AWS_ROLE_ARN":
                    return str(variable["value"])
            return None
    raise AssertionError(f"there is no container {container}")
