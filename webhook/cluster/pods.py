"""Lists pods page by page, with what decides about their identity; the rest of them is not decoded."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.admission.pod import PodSpec
from webhook.cluster.api_errors import Expired
from webhook.cluster.collection import Collection, ObjectMeta, PartialObject
from webhook.cluster.pages import PageReader
from webhook.cluster.resource import JSON, Resource

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient

# A page of 250 ordinary pods has about 2 MB.
_PAGE: Final = 250
# Larger than any object that etcd stores.
_MAX_POD: Final = 10 * 1024 * 1024


class OwnerReference(msgspec.Struct, gc=False, frozen=True):
    """A reference to an object's owner; `controller` marks the one that manages it."""

    apiVersion: str
    kind: str
    name: str
    uid: str = ""
    controller: bool | None = None


class PodMeta(ObjectMeta, gc=False):
    """The metadata of a pod."""

    uid: str = ""
    generateName: str | None = None
    creationTimestamp: str = ""
    deletionTimestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    ownerReferences: list[OwnerReference] | None = None


class _Condition(msgspec.Struct, gc=False):
    type: str
    status: str = ""


class _Status(msgspec.Struct, gc=False):
    phase: str = ""
    conditions: list[_Condition] | None = None


class PodObject(PartialObject, gc=False):
    """A pod. `spec` is its JSON, which is decoded only on request."""

    metadata: PodMeta
    spec: msgspec.Raw = msgspec.Raw()
    status: _Status | None = None

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that manages the pod, or None."""
        return next((owner for owner in self.metadata.ownerReferences or () if owner.controller), None)

    @property
    def is_leaving(self) -> bool:
        """Whether it has finished or is being deleted."""
        phase = self.status.phase if self.status is not None else ""
        return self.metadata.deletionTimestamp is not None or phase in {"Succeeded", "Failed"}

    @property
    def is_ready(self) -> bool:
        """Whether its condition Ready is true."""
        conditions = (self.status.conditions if self.status is not None else None) or ()
        return any(condition.type == "Ready" and condition.status == "True" for condition in conditions)

    def as_dict(self) -> dict[str, Any]:
        """Returns the pod's names, labels, annotations and spec, as in a request that creates it.

        Raises msgspec's errors if what admission reads of the spec has wrong types.
        """
        meta = self.metadata
        msgspec.json.decode(self.spec, type=PodSpec)
        members = {
            "name": meta.name,
            "generateName": meta.generateName,
            "namespace": meta.namespace,
            "labels": meta.labels,
            "annotations": meta.annotations,
        }
        return {
            "metadata": {key: value for key, value in members.items() if value is not None},
            "spec": msgspec.json.decode(self.spec, type=dict[str, Any]),
        }


@dataclass(frozen=True, slots=True)
class PodPage:
    """Some pods, and about how many follow them."""

    pods: list[PodObject]
    remaining: int


async def pod_pages(client: "KubernetesClient", namespace: str = "") -> AsyncIterator[PodPage]:
    """Yields all pods of a namespace ("" is every one), each once, in the order of namespaces and names.

    If the list takes so long that the API server forgets its state, it begins again behind the last pod. Raises
    ClusterError.
    """
    resource = Resource("pods", namespace, is_granted_everywhere=not namespace)
    collection = Collection(resource, PodObject, JSON, JSON, max_object=_MAX_POD)
    last = ""
    while True:
        progress = last
        try:
            async for page in PageReader(client, collection).pages(_PAGE):
                new = [pod for pod in page.items if _key(pod) > last]
                if new:
                    last = _key(new[-1])
                yield PodPage(new, page.remaining)
                del page, new
        except Expired:
            if last == progress:
                raise
        else:
            return


def _key(pod: PodObject) -> str:
    """Returns the pod's key, by which the API server orders lists."""
    return f"{pod.metadata.namespace}/{pod.metadata.name}"
