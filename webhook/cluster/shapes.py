"""Decodes objects and lists to dictionaries, after checking the types of all members that our commands read.

An API server keeps to these types. What answers in its place (a proxy, an aggregated API) may not, and must not cause
more than one clear line.
"""

from typing import Any, Final

import msgspec

from webhook.admission.pod import Pod
from webhook.cluster.decoding import decoding
from webhook.cluster.resource import Resource


class _Wire(msgspec.Struct, gc=False, frozen=True):
    """The base of the types."""


class _Owner(_Wire, frozen=True, gc=False):
    kind: str
    name: str
    uid: str = ""
    controller: bool | None = None


class _OwnedFields(_Wire, frozen=True, gc=False, rename={"annotations": "f:annotations"}):
    annotations: dict[str, Any] | None = None


class _FieldsV1(_Wire, frozen=True, gc=False, rename={"metadata": "f:metadata"}):
    metadata: _OwnedFields | None = None


class _ManagedFields(_Wire, frozen=True, gc=False):
    time: str | None = None
    fieldsV1: _FieldsV1 | None = None


class _Meta(_Wire, frozen=True, gc=False):
    name: str
    namespace: str | None = None
    uid: str | None = None
    creationTimestamp: str | None = None
    deletionTimestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    ownerReferences: list[_Owner] | None = None
    managedFields: list[_ManagedFields] | None = None


class _Object(_Wire, frozen=True, gc=False):
    metadata: _Meta | None = None


class _Named(_Wire, frozen=True, gc=False):
    metadata: _Meta


class _Port(_Wire, frozen=True, gc=False):
    name: str | None = None
    containerPort: int | None = None


class _Ports(_Wire, frozen=True, gc=False):
    ports: list[_Port] | None = None


class _PodSpec(_Wire, frozen=True, gc=False):
    containers: list[_Ports] | None = None


class _Condition(_Wire, frozen=True, gc=False):
    type: str
    status: str


class _PodStatus(_Wire, frozen=True, gc=False):
    phase: str | None = None
    podIP: str | None = None
    conditions: list[_Condition] | None = None


class _Pod(_Named, frozen=True, gc=False):
    """What we read of a pod beside that which admission reads, and which is checked too."""

    spec: _PodSpec
    status: _PodStatus | None = None


class _Selector(_Wire, frozen=True, gc=False):
    matchLabels: dict[str, str] | None = None


class _WorkloadSpec(_Wire, frozen=True, gc=False):
    selector: _Selector | None = None
    template: Pod | None = None


class _Replicas(_Wire, frozen=True, gc=False):
    replicas: int | None = None


class _Workload(_Named, frozen=True, gc=False):
    spec: _WorkloadSpec | None = None
    status: _Replicas | None = None


class _ServiceSpec(_Wire, frozen=True, gc=False):
    selector: dict[str, str] | None = None


class _Service(_Object, frozen=True, gc=False):
    spec: _ServiceSpec | None = None


class _Ready(_Wire, frozen=True, gc=False):
    ready: bool | None = None


class _Endpoint(_Wire, frozen=True, gc=False):
    conditions: _Ready | None = None


class _EndpointSlice(_Object, frozen=True, gc=False):
    endpoints: list[_Endpoint] | None = None


class _Subset(_Wire, frozen=True, gc=False):
    addresses: list[Any] | None = None
    notReadyAddresses: list[Any] | None = None


class _Endpoints(_Object, frozen=True, gc=False):
    subsets: list[_Subset] | None = None


class _Requirement(_Wire, frozen=True, gc=False):
    key: str
    operator: str
    values: list[str] | None = None


class _LabelSelector(_Selector, frozen=True, gc=False):
    matchExpressions: list[_Requirement] | None = None


class _CalledService(_Wire, frozen=True, gc=False):
    namespace: str
    name: str
    path: str | None = None
    port: int | None = None


class _Call(_Wire, frozen=True, gc=False):
    service: _CalledService | None = None
    url: str | None = None
    caBundle: str | None = None


class _Rule(_Wire, frozen=True, gc=False):
    operations: list[str] | None = None
    apiGroups: list[str] | None = None
    apiVersions: list[str] | None = None
    resources: list[str] | None = None
    scope: str | None = None


class _MatchCondition(_Wire, frozen=True, gc=False):
    name: str


class _Entry(_Wire, frozen=True, gc=False):
    name: str
    clientConfig: _Call
    failurePolicy: str = ""
    timeoutSeconds: int = 0
    reinvocationPolicy: str = ""
    namespaceSelector: _LabelSelector | None = None
    objectSelector: _LabelSelector | None = None
    rules: list[_Rule] | None = None
    matchConditions: list[_MatchCondition] | None = None


class _Configuration(_Object, frozen=True, gc=False):
    webhooks: list[_Entry] | None = None


_SHAPES: Final[dict[str, type[_Wire]]] = {
    "pods": _Pod,
    "services": _Service,
    "endpointslices": _EndpointSlice,
    "endpoints": _Endpoints,
    "mutatingwebhookconfigurations": _Configuration,
    **dict.fromkeys(("deployments", "replicasets", "statefulsets", "daemonsets", "jobs"), _Workload),
}


class _ListMeta(_Wire, frozen=True, gc=False, rename={"token": "continue"}):
    token: str | None = None


class _List(_Wire, frozen=True, gc=False):
    metadata: _ListMeta | None = None
    items: list[dict[str, Any]] | None = None


def decoded(body: bytes, resource: Resource) -> dict[str, Any]:
    """Returns the object, or the list, that the API server answered. Raises MalformedAnswer."""
    with decoding(resource):
        answer: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        objects = [answer]
        if not resource.name:
            objects = msgspec.convert(answer, _List).items or []
        for each in objects:
            msgspec.convert(each, _SHAPES.get(resource.plural, _Object))
            if resource.plural == "pods":
                msgspec.convert(each, Pod)
    return answer
