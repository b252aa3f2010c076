"""Reads everything that `certs show` compares: the installation, the caBundle, and the served certificate."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from certs.bundle import Service, our_entries
from certs.stores import StoredSecret
from webhook.cluster.client import KubernetesClient
from webhook.commands.address import host_and_port
from webhook.commands.certs.cluster import Denied, access_of, bundle_store, found
from webhook.commands.certs.facts import (
    Facts,
    What,
    annotations_of,
    called_name,
    entries_of,
    external_secret,
    has_own_keys,
    shared_secret,
)
from webhook.commands.certs.handshake import NotServed, ask
from webhook.commands.certs.installation import Installation, pod_of, read_installation, use_names_of
from webhook.commands.certs.kind import bundle_writer
from webhook.commands.flags.parsing import Parsed


async def read_facts(parsed: Parsed, environ: Mapping[str, str]) -> Facts:
    """Reads the cluster, and asks the webhook for its leaf. Raises WebhookError, but records what RBAC denies.

    `parsed` are the flags of `certs show`.
    """
    access = access_of(parsed)
    pod = pod_of(access, environ)
    use_names_of(pod, parsed)
    configuration: Mapping[str, Any] | None = None
    denied: dict[What, str] = {}
    async with KubernetesClient(access) as client:
        installation = await read_installation(client, parsed, pod)
        try:
            configuration = await found(bundle_store(client, parsed).read())
        except Denied as error:
            denied["configuration"] = str(error)
    facts = _facts(parsed, installation, configuration, {**installation.unread, **denied})
    address = host_and_port(facts.address)
    assert address is not None  # noqa: S101 - main() has checked --address, and names have no colon
    bundles = [entry.bundle for entry in facts.entries or ()]
    try:
        return replace(facts, served=ask(*address, called_name(facts.service), bundles))
    except NotServed as error:
        return replace(facts, unread={**facts.unread, "served": str(error)})


def _facts(
    parsed: Parsed, read: Installation, configuration: Mapping[str, Any] | None, unread: Mapping[What, str]
) -> Facts:
    values, service, certificate = parsed.values, read.service, read.certificate
    shared = shared_secret(read.shared) if read.shared is not None else None
    shared_name, secret, place = values["tls_secret"], None, ""
    if certificate is not None:
        place = certificate.place
        secret = external_secret(certificate.data) if certificate.data is not None else None
    elif shared_name and not read.kind.is_external and not _is_of_external_replicas(read.shared):
        place, secret, shared_name, shared = f"Secret {service.namespace}/{shared_name}", shared, "", None
        unread = {("secret" if what == "shared" else what): reason for what, reason in unread.items()}
    if read.serving is not None and not read.serving.writes_bundle:
        # Only replicas that write the caBundle share a Secret.
        shared_name, shared = "", None
        unread = {what: reason for what, reason in unread.items() if what != "shared"}
    return Facts(
        service=service,
        address=values["address"] or f"{called_name(service)}:{_service_port(configuration or {}, service)}",
        kind=read.kind,
        place=place,
        configuration_name=values["webhook_configuration"],
        bundle_writer=bundle_writer(read.kind, read.serving, annotations_of(configuration)),
        is_address_given=bool(values["address"]),
        secret=secret,
        shared_name=shared_name,
        shared=shared,
        entries=entries_of(configuration, service) if configuration is not None else None,
        unread=unread,
    )


def _is_of_external_replicas(shared: StoredSecret | None) -> bool:
    """Whether only replicas with a certificate of others have written this Secret."""
    return shared is not None and bool(shared.data) and not has_own_keys(shared.data)


def _service_port(configuration: Mapping[str, Any], service: Service) -> int:
    """Returns the port of the Service that the API server calls."""
    for entry in our_entries(configuration, service):
        port = entry["clientConfig"]["service"].get("port")
        if isinstance(port, int) and 0 < port <= 65535:
            return port
    return 443
