"""What `certs` asks a cluster for, by its flags."""

from collections.abc import Awaitable
from typing import TypeVar

from certs.errors import StoreError
from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.cluster.access import AccessSettings
from webhook.cluster.api_errors import ApiError
from webhook.cluster.client import KubernetesClient
from webhook.commands.flags.parsing import Parsed
from webhook.errors import WebhookError
from webhook.server.certificates.bundle_store import KubernetesBundleStore, Ownership
from webhook.server.certificates.secret_store import KubernetesSecretStore

_Object = TypeVar("_Object")


class Denied(WebhookError):
    """RBAC does not let us read an object."""


def access_of(parsed: Parsed) -> AccessSettings:
    """How to reach the cluster, by the flags."""
    return AccessSettings(**parsed.of(("kubeconfig", "context", "kube_api")))


def name_problems(parsed: Parsed) -> list[str]:
    """A line for each flag that is to name an object and cannot; an empty --tls-secret is left to the caller."""
    problems = []
    for field, value in parsed.values.items():
        if field in {"namespace", "service_name"} and not is_dns_label(value):
            problems.append(f"--{field.replace('_', '-')}: {value!r} is not the name of one (DNS label)")
        if field in {"tls_secret", "webhook_configuration"} and not is_dns_subdomain(value or "none"):
            problems.append(f"--{field.replace('_', '-')}: {value!r} is not the name of one (DNS subdomain)")
    return problems


def secret_store(client: KubernetesClient, parsed: Parsed) -> KubernetesSecretStore:
    """The Secret of --tls-secret, to read."""
    return KubernetesSecretStore(client, parsed.values["namespace"], parsed.values["tls_secret"], Ownership)


def bundle_store(client: KubernetesClient, parsed: Parsed) -> KubernetesBundleStore:
    """The MutatingWebhookConfiguration of --webhook-configuration, to read."""
    return KubernetesBundleStore(client, parsed.values["webhook_configuration"])


async def found(read: Awaitable[_Object]) -> _Object | None:
    """What a store reads, None where there is no such object. Raises Denied, or WebhookError for all else."""
    try:
        return await read
    except StoreError as error:
        status = error.__cause__.status if isinstance(error.__cause__, ApiError) else 0
        if status == 404:
            return None
        raise (Denied if status == 403 else WebhookError)(str(error)) from error
