"""Reads how the webhook is installed, and how its replicas are."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from webhook.admission.settings import Settings
from webhook.cluster.installation import Installation as Installed
from webhook.cluster.installation import ServiceName, configuration_resource, entries_of, read_installation
from webhook.cluster.resource import Resource
from webhook.commands.doctor.gathering.metrics import replica_of
from webhook.commands.doctor.gathering.reader import Reader
from webhook.commands.doctor.gathering.rights import read_rights
from webhook.commands.flags.parsing import Parsed
from webhook.commands.flags.running_flags import UnreadableFlags, flags_of
from webhook.commands.flags.to_settings import settings_from
from webhook.diagnosis.doctor.facts import Certificate, Endpoints, Installation, Object, Replica, Right
from webhook.diagnosis.doctor.read import Read

_SECONDS: Final = 10.0
_LOOKUP: Final = ("service_account_lookup_timeout", "service_account_lookup_grace_period")
_UNREAD_FLAGS: Final = "the flags of the running webhook could not be read: their defaults are assumed"


@dataclass(frozen=True, slots=True)
class Found:
    """The installation, with what later reads need: the flags of `serve` (None if unknown), and the pods."""

    facts: Installation
    service: ServiceName | None
    flags: Parsed | None
    pods: Sequence[Object]

    def with_certificate(self, certificate: Certificate) -> Installation:
        """Returns the facts together with those about certificates."""
        return replace(self.facts, certificate=certificate)


async def read(reader: Reader, name: str, *, with_replicas: bool) -> Found:
    """Reads the installation of the MutatingWebhookConfiguration `name`; rights and metrics only `with_replicas`."""
    configuration, configurations = await asyncio.gather(
        reader.object(configuration_resource(name)),
        reader.items(Resource("mutatingwebhookconfigurations", group_version="admissionregistration.k8s.io/v1")),
    )
    service = entries_of(configuration.value)[1] if configuration.value is not None else None
    if configuration.problem:
        service = await _service_named(reader, name)
    if service is None:
        facts = Installation(
            name=name, configuration=configuration, configurations=configurations, unread_flags=_UNREAD_FLAGS
        )
        return Found(facts, None, None, ())
    installed = await read_installation(reader.client, name, seconds=_SECONDS, otherwise=service)
    flags, unread = _flags(installed)
    service_object, endpoints = await asyncio.gather(
        reader.object(Resource("services", service.namespace, service.name)), _endpoints(reader, service)
    )
    pods = await _pods(reader, service, service_object)
    replicas: Read[Sequence[Replica]] = Read(None, pods.problem)
    holder = ""
    rights: Read[Sequence[Right]] = Read(None, "the webhook's Deployment could not be read")
    if with_replicas:
        replicas = Read(await asyncio.gather(*(replica_of(reader, pod) for pod in pods.value or ())), pods.problem)
        if pods.value is None:
            replicas = Read(None, pods.problem)
        if installed.template is not None and flags is not None:
            account = (installed.template.get("spec") or {}).get("serviceAccountName") or "default"
            holder = f"system:serviceaccount:{service.namespace}:{account}"
            rights = await read_rights(reader, holder, service.namespace, flags)
    facts = Installation(
        name=name,
        configuration=configuration,
        configurations=configurations,
        service=f"{service.namespace}/{service.name}",
        service_object=service_object,
        endpoints=endpoints,
        workload=installed.workload,
        workload_problems=installed.problems,
        replicas=replicas,
        settings=settings_from(flags, Settings) if flags is not None else Settings(),
        unread_flags=unread,
        lookup_seconds=sum(flags.of(_LOOKUP).values()) if flags is not None else 0.0,
        holder=holder,
        rights=rights,
    )
    return Found(facts, service, flags, pods.value or ())


async def _service_named(reader: Reader, name: str) -> ServiceName | None:
    """Returns the one Service of the configuration's name: the chart calls both the same."""
    services = await reader.items(Resource("services"), fieldSelector=f"metadata.name={name}")
    found = [str((one.get("metadata") or {}).get("namespace")) for one in services.value or ()]
    return ServiceName(found[0], name) if len(found) == 1 else None


def _flags(installed: Installed) -> tuple[Parsed | None, str]:
    if installed.template is None:
        return None, _UNREAD_FLAGS
    try:
        parsed, unread = flags_of(installed.template)
    except UnreadableFlags as error:
        return None, f"{installed.workload}: {error}: the defaults of its flags are assumed"
    said = f"{installed.workload}: not read, and may set flags: {', '.join(unread)}" if unread else ""
    return parsed, said


async def _endpoints(reader: Reader, service: ServiceName) -> Read[Endpoints]:
    """Counts the Service's endpoints from its EndpointSlices.

    From its Endpoints before Kubernetes 1.21, and without the right to list the others, which `view` lacks there.
    """
    resource = Resource("endpointslices", service.namespace, group_version="discovery.k8s.io/v1")
    slices = await reader.items(resource, labelSelector=f"kubernetes.io/service-name={service.name}")
    if slices.value is not None:
        members = [one for each in slices.value for one in each.get("endpoints") or []]
        ready = sum((one.get("conditions") or {}).get("ready") is not False for one in members)
        return Read(Endpoints(ready, len(members) - ready))
    read = await reader.object(Resource("endpoints", service.namespace, service.name))
    if read.value is None:
        return Read(None, slices.problem or read.problem)
    subsets = read.value.get("subsets") or []
    return Read(
        Endpoints(*(sum(len(one.get(kind) or ()) for one in subsets) for kind in ("addresses", "notReadyAddresses")))
    )


async def _pods(reader: Reader, service: ServiceName, service_object: Read[Object]) -> Read[list[Object]]:
    """Reads the pods that the Service selects and that are not ending."""
    if service_object.value is None:
        return Read(None, service_object.problem or f"the Service {service.namespace}/{service.name} does not exist")
    selector: Mapping[str, str] = (service_object.value.get("spec") or {}).get("selector") or {}
    if not selector:
        return Read([])
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    pods = await reader.items(Resource("pods", service.namespace), labelSelector=labels)
    if pods.value is None:
        return pods
    return Read([pod for pod in pods.value if not (pod.get("metadata") or {}).get("deletionTimestamp")])
