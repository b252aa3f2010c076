"""Asks the API server to create a pod as a dry run: nothing is stored."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from webhook.admission.pod import Pod
from webhook.cluster.api_errors import ApiError, ClusterError
from webhook.cluster.decoding import UNDECODABLE
from webhook.cluster.resource import Resource
from webhook.commands.doctor.gathering.installation import Found
from webhook.commands.doctor.gathering.metrics import requests
from webhook.commands.doctor.gathering.reader import Reader
from webhook.diagnosis.doctor.facts import DryRun, Object

# What the strictest Pod Security Standard asks of a pod, and small limits for quotas.
_SECURITY: Final = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
_CONTAINER_SECURITY: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_SIZE: Final = {"cpu": "10m", "memory": "16Mi"}
_OF_CLUSTER: Final = ("resourceVersion", "uid", "creationTimestamp", "managedFields", "selfLink", "ownerReferences")


async def dry_run(reader: Reader, found: Found, namespace: str, what: str, pod: Object) -> DryRun:
    """Creates `pod` as a dry run, and looks whether the replicas' request counters rose."""
    before = await requests(reader, found.pods)
    try:
        body, warnings = await reader.client.create_dry_run(Resource("pods", namespace), pod)
        made: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        msgspec.convert(made, Pod)
    except ApiError as error:
        return _refused(what, error)
    except (ClusterError, *UNDECODABLE) as error:
        return DryRun(what=what, why="other", refusal=str(error))
    after = await requests(reader, found.pods)
    calls = after - before if before is not None and after is not None else None
    return DryRun(
        what=what, pod=made, warnings=[w for w in warnings if w.startswith("pod-identity-webhook")], calls=calls
    )


def plain_pod(account: str, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Returns a pod that runs as the ServiceAccount and that any policy should allow."""
    container = {
        "name": "app",
        "image": "pod-identity-webhook-doctor",
        "securityContext": _CONTAINER_SECURITY,
        "resources": {"requests": _SIZE, "limits": _SIZE},
    }
    spec = {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "securityContext": _SECURITY,
        "containers": [container],
    }
    metadata = {"generateName": "pod-identity-webhook-doctor-", "labels": dict(labels or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def pod_of_template(template: Object, name: str) -> dict[str, Any]:
    """Returns the pod that the controller of a workload would create from its template."""
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if key not in _OF_CLUSTER}
    metadata.pop("name", None)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "generateName": f"{name[:50]}-"},
        "spec": dict(template.get("spec") or {}),
    }


def _refused(what: str, error: ApiError) -> DryRun:
    text = str(error)
    if error.status == 403 and " cannot " in text:
        return DryRun(what=what, why="right", refusal=text)
    said = text.partition(" (grant ")[0].partition(f": {error.status}: ")[2] or text
    if "failed calling webhook" in said or "failed to call webhook" in said:
        return DryRun(what=what, why="webhook", refusal=said)
    is_ours = "denied the request: pod-identity-webhook:" in said
    return DryRun(what=what, why="denied" if is_ours else "other", refusal=said)
