"""The stores that `certs` reads from a cluster, as its flags say."""

from collections.abc import Awaitable
from typing import Final, TypeVar

import msgspec

from certs.errors import StoreError
from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.cluster.access import AccessSettings
from webhook.cluster.api_errors import ApiError
from webhook.cluster.client import KubernetesClient
from webhook.cluster.decoding import UNDECODABLE
from webhook.commands.flags.parsing import Parsed
from webhook.errors import WebhookError
from webhook.server.certificates.bundle_store import KubernetesBundleStore, Ownership
from webhook.server.certificates.secret_store import KubernetesSecretStore

_Object = TypeVar("_Object")
_OBJECTS: Final = ("tls_secret", "certificate_secret", "webhook_configuration")


class Denied(WebhookError):
    """RBAC does not allow us to read an object."""


def access_of(parsed: Parsed) -> AccessSettings:
    """Returns how to reach the cluster, from the flags."""
    return AccessSettings(**parsed.of(("kubeconfig", "context", "kube_api")))


def name_problems(parsed: Parsed) -> list[str]:
    """Returns a line for each flag whose value is not a valid name; the caller checks for empty values."""
    problems = []
    for field, value in parsed.values.items():
        if field in {"namespace", "service_name"} and not is_dns_label(value):
            problems.append(f"--{field.replace('_', '-')}: {value!r} is not a valid name (DNS label)")
        if field in _OBJECTS and not is_dns_subdomain(value or "none"):
            problems.append(f"--{field.replace('_', '-')}: {value!r} is not a valid name (DNS subdomain)")
    return problems


def secret_store(client: KubernetesClient, namespace: str, name: str) -> KubernetesSecretStore:
    """Returns the store for a Secret, for reading only."""
    return KubernetesSecretStore(client, namespace, name, Ownership)


def bundle_store(client: KubernetesClient, parsed: Parsed) -> KubernetesBundleStore:
    """Returns the store for the MutatingWebhookConfiguration of --webhook-configuration, for reading only."""
    return KubernetesBundleStore(client, parsed.values["webhook_configuration"])


async def found(read: Awaitable[_Object]) -> _Object | None:
    """Returns what `read` returns, or None if the object does not exist.

    Raises Denied, or WebhookError for other failures.
    """
    try:
        return await read
    except StoreError as error:
        status = error.__cause__.status if isinstance(error.__cause__, ApiError) else 0
        if status == 404:
            return None
        raise (Denied if status == 403 else WebhookError)(str(error)) from error


def decoded(body: bytes, kind: type[_Object]) -> _Object:
    """Returns an answer of the API server as this type. Raises WebhookError."""
    try:
        return msgspec.json.decode(body, type=kind)
    except UNDECODABLE as error:
        raise WebhookError(f"the API server's answer is not an object of the Kubernetes API: {error}") from error
