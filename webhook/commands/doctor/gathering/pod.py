"""Reads the pod in question, its owner's template, and what it runs as."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from webhook.cluster.api_errors import InvalidName
from webhook.cluster.resource import Resource
from webhook.commands.doctor.gathering.dry_run import pod_of_template
from webhook.commands.doctor.gathering.in_pod import read_pod_token, read_variables
from webhook.commands.doctor.gathering.reader import Reader
from webhook.commands.doctor.target import Target
from webhook.diagnosis.doctor.facts import Object, RunningPod
from webhook.diagnosis.own_values import UNKNOWN, OwnValues, own_values, own_values_applied
from webhook.errors import WebhookError

_APPS: Final = "apps/v1"
_PLURALS: Final = {
    "Deployment": ("deployments", _APPS),
    "ReplicaSet": ("replicasets", _APPS),
    "StatefulSet": ("statefulsets", _APPS),
    "DaemonSet": ("daemonsets", _APPS),
    "Job": ("jobs", "batch/v1"),
}
_KINDS: Final = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What the chain begins with: a ServiceAccount, and the pod that runs as it, if the question was about one.

    `template` is a pod as its owner would create it now; None if there is no owner, or it could not be read.
    """

    namespace: str
    account: str
    title: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    running: RunningPod | None = None
    template: dict[str, Any] | None = None


async def subject_of(reader: Reader, target: Target, namespace: str) -> Subject:
    """Reads the pod, or the workload's newest pod. Raises WebhookError if there is none, or it cannot be read."""
    if target.kind == "pod":
        read = await reader.object(Resource("pods", namespace, target.name))
        if read.value is None:
            raise WebhookError(read.problem or f"there is no pod {namespace}/{target.name}")
        return await _of_pod(reader, namespace, read.value)
    kind = _KINDS[target.kind]
    plural, group_version = _PLURALS[kind]
    workload = await reader.object(Resource(plural, namespace, target.name, group_version))
    if workload.value is None:
        raise WebhookError(workload.problem or f"there is no {target.kind} {namespace}/{target.name}")
    pod = await _newest(reader, namespace, workload.value)
    template = pod_of_template((workload.value.get("spec") or {}).get("template") or {}, target.name)
    if pod is None:
        return _subject(namespace, template, f"{kind} {namespace}/{target.name}, which has no pod", None, template)
    return await _of_pod(reader, namespace, pod)


async def _of_pod(reader: Reader, namespace: str, pod: Object) -> Subject:
    name = str(pod["metadata"]["name"])
    owner, template = await _owner(reader, namespace, pod)
    variables = await read_variables(reader, namespace, pod)
    token = await read_pod_token(reader, namespace, pod, variables)
    running = RunningPod(
        namespace=namespace,
        name=name,
        pod=pod,
        owner=owner,
        variables=variables,
        file_token=token,
        own=own_values(template) if template is not None else _applied(pod),
    )
    made = pod_of_template(template, name) if template is not None else None
    return _subject(namespace, pod, f"Pod {namespace}/{name}", running, made)


def _applied(pod: Object) -> OwnValues:
    """Returns what the manifest of a pod without an owner sets, if `kubectl apply` recorded it."""
    metadata = pod["metadata"]
    return UNKNOWN if metadata.get("ownerReferences") else own_values_applied(metadata.get("annotations") or {})


def _subject(
    namespace: str, pod: Object, title: str, running: RunningPod | None, template: dict[str, Any] | None
) -> Subject:
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    account = str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")
    return Subject(
        namespace=namespace,
        account=account,
        title=f"{title}, which runs as ServiceAccount {account}",
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        running=running,
        template=template,
    )


async def _owner(reader: Reader, namespace: str, pod: Object) -> tuple[str, Object | None]:
    """Returns the owner, as kubectl names it ("" if it cannot be restarted), and its template."""
    name, template = "", None
    found: Object = pod
    for _ in range(2):
        owners = (found.get("metadata") or {}).get("ownerReferences") or []
        owner = next((one for one in owners if one.get("controller") and one.get("kind") in _PLURALS), None)
        if owner is None:
            break
        plural, group_version = _PLURALS[owner["kind"]]
        try:
            resource = Resource(plural, namespace, str(owner["name"]), group_version)
        except InvalidName:
            # Whoever creates a pod may write anything into its ownerReferences.
            break
        read = await reader.object(resource)
        if owner["kind"] in _KINDS.values():
            name = f"{owner['kind'].lower()}/{owner['name']}"
        if read.value is None:
            break
        found = read.value
        template = (found.get("spec") or {}).get("template") or template
    return name, template


async def _newest(reader: Reader, namespace: str, workload: Object) -> Object | None:
    """Returns the newest pod that the workload's selector matches and that is not ending."""
    selector = _selector_text((workload.get("spec") or {}).get("selector") or {})
    if not selector:
        return None
    pods = await reader.items(Resource("pods", namespace), labelSelector=selector)
    if pods.value is None:
        raise WebhookError(pods.problem)
    living = [pod for pod in pods.value if not pod["metadata"].get("deletionTimestamp")]
    return max(living, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), default=None)


def _selector_text(selector: Mapping[str, Any]) -> str:
    """Returns a LabelSelector as the text that `labelSelector` takes."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or []:
        key, values = each.get("key"), ",".join(each.get("values") or ())
        match each.get("operator"):
            case "In" | "NotIn" as operator:
                parts.append(f"{key} {operator.lower()} ({values})")
            case "Exists":
                parts.append(f"{key}")
            case "DoesNotExist":
                parts.append(f"!{key}")
    return ",".join(parts)
