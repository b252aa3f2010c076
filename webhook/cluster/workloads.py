"""Reads the workloads that own pods: a pod template, the number of replicas, and the workload's own owner."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.cluster.api_errors import ApiError, InvalidName
from webhook.cluster.decoding import decoding
from webhook.cluster.pods import OwnerReference
from webhook.cluster.resource import Resource

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient

_SECONDS: Final = 10.0
# Pods are listed by name, so that pods of one workload follow each other.
_REMEMBERED: Final = 256

# The kinds of Kubernetes itself that own pods, by API group and kind.
PLURALS: Final = {
    ("apps", "ReplicaSet"): "replicasets",
    ("apps", "Deployment"): "deployments",
    ("apps", "StatefulSet"): "statefulsets",
    ("apps", "DaemonSet"): "daemonsets",
    ("batch", "Job"): "jobs",
    ("batch", "CronJob"): "cronjobs",
    ("", "ReplicationController"): "replicationcontrollers",
}


class _Meta(msgspec.Struct, gc=False):
    uid: str = ""
    ownerReferences: list[OwnerReference] | None = None


class _Spec(msgspec.Struct, gc=False):
    replicas: int | None = None
    template: Mapping[str, Any] | None = None


class _Object(msgspec.Struct, gc=False):
    metadata: _Meta
    spec: _Spec


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload: its `template` (a PodTemplateSpec), its replicas (None if it has no such number), and its owner."""

    template: Mapping[str, Any] | None = None
    replicas: int | None = None
    controller: OwnerReference | None = None


class Workloads:
    """Reads workloads, and remembers the last ones. `problems` has a line for each missing right, once."""

    def __init__(self, client: "KubernetesClient") -> None:
        self._client = client
        self._known: OrderedDict[tuple[str, str], Workload | None] = OrderedDict()
        self.problems: dict[str, str] = {}

    async def read(self, namespace: str, owner: OwnerReference) -> Workload | None:
        """Returns the workload `owner`.

        Returns None if it is of a kind that is not Kubernetes' own, is gone, or if RBAC does not let us read it. Raises
        ClusterError for other failures.
        """
        key = (namespace, owner.uid or f"{owner.kind}/{owner.name}")
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        found = self._known[key] = await self._read(namespace, owner)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _read(self, namespace: str, owner: OwnerReference) -> Workload | None:
        group = owner.apiVersion.rpartition("/")[0]
        plural = PLURALS.get((group, owner.kind))
        if plural is None or owner.kind in self.problems:
            return None
        try:
            resource = Resource(plural, namespace, owner.name, owner.apiVersion, is_granted_everywhere=True)
            body = await self._client.get(resource, seconds=_SECONDS)
        except InvalidName:
            # Whoever creates a pod may write anything into its ownerReferences.
            return None
        except ApiError as error:
            if error.status == 404:
                return None
            if error.status != 403:
                raise
            self.problems[owner.kind] = f"the templates of {owner.kind}s are not read: {error}"
            return None
        with decoding(resource):
            read = msgspec.json.decode(body, type=_Object)
        if owner.uid and read.metadata.uid != owner.uid:
            # Another workload of the same name.
            return None
        controller = next((each for each in read.metadata.ownerReferences or () if each.controller), None)
        return Workload(read.spec.template, read.spec.replicas, controller)
