"""Creates users' pods and runs them until they end."""

import json
from typing import Any

from tests.cluster_e2e.connection import ProxiedApi
from tests.e2e.api import Api, ApiError, Object
from tests.e2e.objects import ROLE, config_maps, pods, service_account, service_accounts
from tests.e2e.waiting import wait_until

ACCOUNT = "reports"
REQUIRED = {"eks.amazonaws.com/require-pod-identity": "true"}
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}

# Runs in the pod and prints, as JSON, what an AWS SDK would find there.
_REPORT = """
import base64, json, os
path = os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"]
payload = open(path).read().split(".")[1]
claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
found = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
print(json.dumps({"uid": os.getuid(), "variables": found, "claims": claims}))
"""


def make_namespace(api: Api, name: str) -> str:
    """Creates a namespace that enforces restricted pods, with the ServiceAccount `reports`, which has a role.

    Returns when the cluster's controllers have created their objects in it, so that a later inventory does not change.
    """
    api.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": RESTRICTED}})
    wait_until(
        lambda: _has(api, f"{service_accounts(name)}/default"), f"the ServiceAccount default of {name}", within=30
    )
    if version(api) >= (1, 21):
        wait_until(lambda: _has(api, f"{config_maps(name)}/kube-root-ca.crt"), f"the root CA in {name}", within=30)
    api.create(service_accounts(name), service_account(ACCOUNT, ROLE))
    account = f"{service_accounts(name)}/{ACCOUNT}"
    # Kubernetes before 1.24 creates the ServiceAccount's Secret a moment later, and refuses its pods until then.
    if _makes_secrets(api):
        wait_until(lambda: api.get(account).get("secrets"), f"the token of {account}", within=30)
    return name


def remove_namespace(api: Api, name: str) -> None:
    """Deletes a namespace; returns when it and everything in it are gone."""
    path = f"/api/v1/namespaces/{name}"
    api.delete(path)
    wait_until(
        lambda: name not in {item["metadata"]["name"] for item in api.get("/api/v1/namespaces")["items"]},
        f"the end of {name}",
        within=120,
    )


def version(api: Api) -> tuple[int, int]:
    """Returns the major and minor version of the cluster."""
    major, minor, *_ = api.get("/version")["gitVersion"].lstrip("v").split(".")
    return int(major), int(minor)


def restricted_pod(
    name: str, image: str, *, labels: dict[str, str] | None = None, command: list[str] | None = None, **security: Any
) -> Object:
    """Returns a pod with the ServiceAccount `reports` that meets the restricted Pod Security Standard."""
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {
            "serviceAccountName": ACCOUNT,
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **security},
            "containers": [
                {
                    "name": "app",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": command or ["sleep", "3600"],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def report_of_pod(api: ProxiedApi, namespace: str, name: str, image: str, **security: Any) -> Object:
    """Runs a pod that reports its user, its environment, and the claims of its token."""
    body = restricted_pod(name, image, command=["python3", "-c", _REPORT], labels=REQUIRED, **security)
    api.create(pods(namespace), body)
    path = f"{pods(namespace)}/{name}"

    def phase() -> str:
        return str(api.get(path)["status"]["phase"])

    wait_until(
        lambda: phase() in {"Succeeded", "Failed"},
        f"the end of {name}",
        within=120,
        last_seen=lambda: f"{api.get(path)['status']}\n{api.log(namespace, name)}",
    )
    assert phase() == "Succeeded", api.log(namespace, name)
    report: Object = json.loads(api.log(namespace, name))
    return report


def _has(api: Api, path: str) -> bool:
    try:
        api.get(path)
    except ApiError as error:
        if error.code != 404:
            raise
        return False
    return True


def _makes_secrets(api: Api) -> bool:
    return version(api) < (1, 24)


def wait_until_pods_are_older(api: ProxiedApi, namespace: str) -> None:
    """Waits until what the API server stores now is younger than the namespace's pods: its times are whole seconds."""
    newest = max(each["metadata"]["creationTimestamp"] for each in api.get(pods(namespace))["items"])

    def now() -> str:
        made = api.create(service_accounts(namespace), service_account("clock"), dryRun="All")
        return str(made["metadata"]["creationTimestamp"])

    wait_until(lambda: now() > newest, "the next second of the API server", within=10)
