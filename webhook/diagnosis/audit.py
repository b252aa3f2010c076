"""Reads all running pods, page by page, and returns a finding for each that is not as it would be if created now."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.admission.annotations import ENV_CONTAINER_CREDENTIALS_URI, ENV_ROLE_ARN, MIRROR_ANNOTATION
from webhook.cluster.decoding import decoding
from webhook.cluster.pods import OwnerReference, PodObject, pod_pages
from webhook.cluster.resource import Resource
from webhook.cluster.workloads import Workload, Workloads
from webhook.diagnosis.findings import Finding, Owner
from webhook.diagnosis.own_values import ALL_OURS, UNKNOWN, OwnValues, own_values, own_values_applied
from webhook.diagnosis.verdict import Known, judge

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient

_MARKS: Final = tuple(name.encode() for name in (ENV_ROLE_ARN, ENV_CONTAINER_CREDENTIALS_URI))


class _Account(msgspec.Struct, gc=False):
    serviceAccountName: str = ""
    serviceAccount: str = ""


_account_of: Final = msgspec.json.Decoder(_Account).decode


def concerns(pod: PodObject, known: Known) -> bool:
    """Whether a pod may be a finding: it is neither leaving nor a mirror, and has something to do with identities."""
    meta = pod.metadata
    if pod.is_leaving or MIRROR_ANNOTATION in (meta.annotations or ()):
        return False
    namespace = (known.namespaces or {}).get(meta.namespace)
    if namespace is not None and namespace.is_ending:
        return False
    if known.settings.require_label in (meta.labels or ()) or any(mark in bytes(pod.spec) for mark in _MARKS):
        return True
    account = _account_of(pod.spec)
    return known.has_role(meta.namespace, account.serviceAccountName or account.serviceAccount)


async def audit(
    client: "KubernetesClient",
    known: Known,
    namespace: str,
    workloads: Workloads,
    progress: Callable[[int, int], None],
) -> list[Finding]:
    """Returns the findings in a namespace ("" is every one).

    Calls `progress` after each page with the number of pods so far, and about how many follow. Raises ClusterError.
    """
    findings = []
    seen = 0
    async for page in pod_pages(client, namespace):
        for pod in page.pods:
            seen += 1
            with decoding(Resource("pods", pod.metadata.namespace, pod.metadata.name)):
                found = await finding_of(pod, known, workloads) if concerns(pod, known) else None
            if found is not None:
                findings.append(found)
        progress(seen, page.remaining)
        del page
    return findings


async def finding_of(pod: PodObject, known: Known, workloads: Workloads) -> Finding | None:
    """Returns what is wrong with one pod, or None. Reads the pod's owner only if it matters. Raises ClusterError."""
    meta = pod.metadata
    members = pod.as_dict()
    verdict = judge(members, meta.creationTimestamp, known, ALL_OURS)
    if verdict is None:
        return None
    controller = pod.controller
    workload = await workloads.read(meta.namespace, controller) if controller is not None else None
    verdict = judge(members, meta.creationTimestamp, known, own_values_of(pod, workload))
    if verdict is None:
        return None
    top = controller or OwnerReference("v1", "Pod", meta.name, meta.uid)
    if workload is not None and workload.controller is not None:
        top = workload.controller
    owner = Owner(meta.namespace, top.kind, top.name)
    return Finding(owner, top, controller, meta.name, meta.uid, meta.creationTimestamp, verdict)


def own_values_of(pod: PodObject, workload: Workload | None) -> OwnValues:
    """Returns what the pod's author set: by its workload's template, or as kubectl applied it."""
    if workload is not None and workload.template is not None:
        return own_values(workload.template)
    return own_values_applied(pod.metadata.annotations or {}) if pod.controller is None else UNKNOWN
