"""Reads how the webhook is installed: its MutatingWebhookConfiguration, and the Deployment behind its Service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from webhook.cluster.api_errors import ApiError
from webhook.cluster.resource import Resource
from webhook.cluster.shapes import decoded

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient

_APPS: Final = "apps/v1"
_ADMISSION: Final = "admissionregistration.k8s.io/v1"

Object: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ServiceName:
    """The Service through which the API server calls the webhook."""

    namespace: str
    name: str

    @property
    def host(self) -> str:
        """The name in the webhook's certificate that the API server verifies."""
        return f"{self.name}.{self.namespace}.svc"


@dataclass(frozen=True, slots=True)
class Installation:
    """What the cluster says about the webhook.

    `entries` are those that call its Service, in order; None if the configuration does not exist or RBAC does not let
    us read it. `template` is the pod template of `workload` ("Deployment namespace/name"), and `replica_sets` has the
    templates of all its ReplicaSets with pods, by name. `problems` has a line for each part that could not be read.
    `created_at` is when the configuration was created (RFC 3339), or "". `is_missing` says that it certainly does not
    exist.
    """

    entries: Sequence[Object] | None = None
    workload: str = ""
    template: Object | None = None
    replica_sets: Mapping[str, Object] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    created_at: str = ""
    is_missing: bool = False


def configuration_resource(name: str) -> Resource:
    """Returns the MutatingWebhookConfiguration `name`."""
    return Resource("mutatingwebhookconfigurations", name=name, group_version=_ADMISSION)


def entries_of(configuration: Object) -> tuple[list[Object], ServiceName | None, list[str]]:
    """Returns the entries that call one webhook, its Service, and a line for each problem.

    If the entries call several Services, it is that of the first. The Service is None if the first has a URL instead.
    """
    entries = [entry for entry in configuration.get("webhooks") or [] if isinstance(entry, Mapping)]
    if not entries:
        return [], None, []
    service = _service(entries[0])
    ours = [entry for entry in entries if _service(entry) == service]
    problems = []
    if len(ours) < len(entries):
        others = ", ".join(str(entry.get("name")) for entry in entries if entry not in ours)
        problems.append(f"entries that call another webhook than {entries[0].get('name')} are ignored: {others}")
    return ours, service, problems


async def read_installation(
    client: "KubernetesClient", name: str, *, seconds: float, otherwise: ServiceName | None = None
) -> Installation:
    """Reads the MutatingWebhookConfiguration `name` and what it leads to; each read takes at most `seconds`.

    If RBAC does not let us read it, the Service is `otherwise`, if given. Objects that do not exist, or that RBAC does
    not let us read, are problems. Raises ClusterError for other failures.
    """
    reader = _Reader(client, seconds)
    configuration = await reader.read(configuration_resource(name))
    created_at = str(_map(_map(configuration).get("metadata")).get("creationTimestamp") or "")
    entries: list[Object] | None = None
    service = otherwise
    if configuration is not None:
        entries, service, problems = entries_of(configuration)
        reader.problems += problems
        if service is None:
            reader.problems.append(
                f"MutatingWebhookConfiguration {name} names no Service, so no Deployment can be found"
            )
    found = Installation(created_at=created_at, is_missing=configuration_resource(name) in reader.missing)
    deployment = await _deployment(reader, service) if service is not None else None
    if service is None or deployment is None:
        return replace(found, entries=entries, problems=tuple(reader.problems))
    workload = f"Deployment {service.namespace}/{deployment['metadata']['name']}"
    replica_sets = await _replica_sets(reader, service.namespace, deployment)
    return replace(
        found,
        entries=entries,
        workload=workload,
        template=_template(deployment),
        replica_sets=replica_sets,
        problems=tuple(reader.problems),
    )


class _Reader:
    """Reads objects, and collects a line for each that does not exist or is forbidden."""

    def __init__(self, client: "KubernetesClient", seconds: float) -> None:
        self._client = client
        self._seconds = seconds
        self.problems: list[str] = []
        self.missing: set[Resource] = set()

    async def read(self, resource: Resource) -> dict[str, Any] | None:
        try:
            body = await self._client.get(resource, seconds=self._seconds)
        except ApiError as error:
            if error.status not in (403, 404):
                raise
            self.problems.append(f"{resource} does not exist" if error.status == 404 else str(error))
            if error.status == 404:
                self.missing.add(resource)
            return None
        return decoded(body, resource)


async def _deployment(reader: _Reader, service: ServiceName) -> Object | None:
    """Returns the Deployment whose pods the Service selects; if that cannot be read, the one of the Service's name."""
    found = await reader.read(Resource("services", service.namespace, service.name))
    listed = await reader.read(Resource("deployments", service.namespace, group_version=_APPS)) if found else None
    if found is None or listed is None:
        return await reader.read(Resource("deployments", service.namespace, service.name, _APPS))
    selector = _map(_map(found.get("spec")).get("selector"))
    if not selector:
        reader.problems.append(f"Service {service.namespace}/{service.name} selects no pods")
        return None
    deployments = [
        deployment
        for deployment in listed.get("items") or []
        if selector.items() <= _map(_map(_template(deployment).get("metadata")).get("labels")).items()
    ]
    names = [deployment["metadata"]["name"] for deployment in deployments]
    if not names:
        reader.problems.append(f"Service {service.namespace}/{service.name} selects the pods of no Deployment")
        return None
    if len(names) > 1:
        reader.problems.append(
            f"Service {service.namespace}/{service.name} has several Deployments: {', '.join(names)}"
        )
    first: Object = deployments[0]
    return first


async def _replica_sets(reader: _Reader, namespace: str, deployment: Object) -> dict[str, Object]:
    """Returns the pod templates of a Deployment's ReplicaSets that have pods, by name."""
    listed = await reader.read(Resource("replicasets", namespace, group_version=_APPS))
    uid = deployment["metadata"].get("uid")
    return {
        item["metadata"]["name"]: _template(item)
        for item in (listed or {}).get("items") or []
        if _map(item.get("status")).get("replicas")
        and any(owner.get("uid") == uid for owner in item["metadata"].get("ownerReferences") or [])
    }


def _service(entry: Object) -> ServiceName | None:
    service = _map(_map(entry.get("clientConfig")).get("service"))
    return ServiceName(str(service.get("namespace")), str(service.get("name"))) if service else None


def _template(workload: Object) -> Object:
    return _map(_map(workload.get("spec")).get("template"))


def _map(value: object) -> Object:
    return value if isinstance(value, Mapping) else {}
