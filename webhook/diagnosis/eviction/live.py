"""The Evictor of a real cluster: the eviction API, and server-side dry runs."""

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.cluster.api_errors import ApiError
from webhook.cluster.decoding import decoding
from webhook.cluster.pods import PodObject, pod_pages
from webhook.cluster.resource import Resource
from webhook.cluster.workloads import Workloads
from webhook.diagnosis.as_created import as_created
from webhook.diagnosis.audit import finding_of, own_values_of
from webhook.diagnosis.eviction.evictor import Eviction, Proof, Sibling
from webhook.diagnosis.findings import Finding
from webhook.diagnosis.verdict import Known, judge

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient

_SECONDS: Final = 30.0
# What the API server answers for a PodDisruptionBudget, if it does not say how long to wait.
_BUDGET_SECONDS: Final = 10.0
# Kubernetes before 1.22 knows only the beta version.
_VERSIONS: Final = ("policy/v1", "policy/v1beta1")
_DRY_RUN: Final = {"dryRun": "All"}
# What the scheduler or a controller wrote into the spec of a running pod.
_ASSIGNED: Final = ("nodeName", "priority", "preemptionPolicy")


class LiveEvictor:
    """Evicts pods of a cluster; `known` says what a right pod carries."""

    def __init__(self, client: "KubernetesClient", known: Known, workloads: Workloads) -> None:
        self._client = client
        self._known = known
        self._workloads = workloads
        self._version = 0

    async def prove(self, finding: Finding) -> Proof:
        """Creates the pod's successor by server-side dry run. Raises ClusterError."""
        resource = Resource("pods", finding.namespace, finding.pod, is_granted_everywhere=True)
        try:
            pod = _decoded(await self._client.get(resource, seconds=_SECONDS), resource)
        except ApiError as error:
            if error.status == 404:
                return Proof("gone")
            raise
        if pod.metadata.uid != finding.uid or pod.is_leaving:
            return Proof("gone")
        controller = pod.controller
        workload = await self._workloads.read(finding.namespace, controller) if controller is not None else None
        own = own_values_of(pod, workload)
        pods = Resource("pods", finding.namespace, is_granted_everywhere=True)
        with decoding(resource):
            body = _successor(as_created(pod.as_dict(), own))
        try:
            created = _decoded(await self._client.write("create", pods, body, params=_DRY_RUN), pods)
        except ApiError as error:
            # Under failurePolicy Fail, an absent webhook is an error of the server.
            return Proof("bare" if error.status >= 500 else "refused", str(error))
        with decoding(resource):
            members = created.as_dict()
        verdict = judge(members, created.metadata.creationTimestamp, self._known, own)
        if verdict is None:
            return Proof("right")
        return Proof(
            "bare", f"a new pod of {finding.owner}, made by dry run, lacks {verdict.role or 'its credentials'}"
        )

    async def evict(self, finding: Finding, *, dry_run: bool) -> Eviction:
        """Evicts the pod if it still has its UID. Raises ClusterError."""
        resource = Resource("pods", finding.namespace, finding.pod, is_granted_everywhere=True, subresource="eviction")
        body = {
            "apiVersion": _VERSIONS[self._version],
            "kind": "Eviction",
            "metadata": {"name": finding.pod, "namespace": finding.namespace},
            "deleteOptions": {
                "preconditions": {"uid": finding.uid},
                **({"dryRun": ["All"]} if dry_run else {}),
            },
        }
        try:
            await self._client.write("create", resource, body, _SECONDS, _DRY_RUN if dry_run else None)
        except ApiError as error:
            if error.status == 400 and self._version + 1 < len(_VERSIONS):
                self._version += 1
                return await self.evict(finding, dry_run=dry_run)
            if error.status == 429:
                return Eviction("wait", str(error), error.retry_after or _BUDGET_SECONDS)
            if error.status in (404, 409):
                return Eviction("gone", str(error))
            return Eviction("refused", str(error))
        return Eviction("evicted")

    async def siblings(self, finding: Finding) -> Sequence[Sibling]:
        """Returns the pods of its controller, itself included, without those that are leaving. Raises ClusterError."""
        found = []
        async for page in pod_pages(self._client, finding.namespace):
            for pod in page.pods:
                controller = pod.controller
                if controller is None or finding.controller is None or controller.uid != finding.controller.uid:
                    continue
                if not pod.is_leaving:
                    with decoding(Resource("pods", finding.namespace, pod.metadata.name)):
                        wrong = await finding_of(pod, self._known, self._workloads)
                    fault = "" if wrong is None else f"{wrong.verdict.reason}: {wrong.verdict.why}"
                    found.append(Sibling(pod.metadata.uid, pod.metadata.name, pod.is_ready, fault))
        return found

    async def pause(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)

    def now(self) -> float:
        """Returns the monotonic clock."""
        return monotonic()


def _successor(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a pod as its owner would create it, under a name that the API server makes."""
    metadata = {key: value for key, value in pod["metadata"].items() if key in ("namespace", "labels", "annotations")}
    name = str(pod["metadata"].get("name", "audit"))
    spec = {key: value for key, value in pod["spec"].items() if key not in _ASSIGNED}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "generateName": f"{name[:50]}-"},
        "spec": spec,
    }


def _decoded(body: bytes, resource: Resource) -> PodObject:
    with decoding(resource):
        return msgspec.json.decode(body, type=PodObject)
