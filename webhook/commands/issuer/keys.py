"""The keys that the commands are given: from PEM and JWKS files, and from a cluster's API server."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from webhook.cluster.access import AccessSettings
from webhook.cluster.api_errors import ApiError, ClusterError
from webhook.cluster.client import KubernetesClient
from webhook.cluster.resource import NonResource
from webhook.commands.issuer.files import MAX_DOCUMENT, place, read_file
from webhook.errors import UnusableInput, WebhookError
from webhook.issuer.discovery import DISCOVERY_PATH, JWKS_PATH
from webhook.issuer.json_object import DocumentError, read_object
from webhook.issuer.jwks import Jwk, JwksError, jwk_of, read_jwks
from webhook.issuer.pem import PemError, read_public_keys

_Value = TypeVar("_Value")

_ROLE: Final = "system:service-account-issuer-discovery"
_LIVE_JWKS: Final = NonResource(f"/{JWKS_PATH}", _ROLE)
_LIVE_DISCOVERY: Final = NonResource(f"/{DISCOVERY_PATH}", _ROLE)
_ACCEPT: Final = "application/jwk-set+json, application/json"


@dataclass(frozen=True)
class Live:
    """What the API server publishes: its keys, and its issuer or "" if that cannot be read."""

    keys: tuple[Jwk, ...]
    issuer: str
    host: str


def keys_of_pem(name: str) -> tuple[Jwk, ...]:
    """Returns the keys of a PEM file as kube-apiserver publishes them. Raises UnusableInput."""
    return _explained(place(name), lambda: _from_pem(read_file(name)))


def keys_of_jwks(name: str) -> tuple[Jwk, ...]:
    """Returns the keys of a JWKS file, whether STS can use them or not. Raises UnusableInput."""
    return _explained(place(name), lambda: read_jwks(read_file(name)))


def keys_of_either(name: str) -> tuple[Jwk, ...]:
    """Returns the keys of a JWKS or PEM file. Raises UnusableInput."""
    content = read_file(name)
    read = _from_pem if b"-----BEGIN " in content and not content.lstrip().startswith(b"{") else read_jwks
    return _explained(place(name), lambda: read(content))


async def live_keys(access: AccessSettings) -> Live:
    """Returns what the cluster's API server publishes. Raises WebhookError."""
    async with KubernetesClient(access) as client:
        try:
            body = await client.get(_LIVE_JWKS, accept=_ACCEPT, max_bytes=MAX_DOCUMENT)
        except ApiError as error:
            if error.status != 404:
                raise
            hint = "it does so only from Kubernetes 1.20 on, and if its --service-account-issuer is an https URL"
            raise WebhookError(f"the API server does not publish its JWKS at {_LIVE_JWKS}: {hint}") from error
        try:
            issuer = read_object(await client.get(_LIVE_DISCOVERY, max_bytes=MAX_DOCUMENT)).get("issuer", "")
        except (ClusterError, DocumentError):
            issuer = ""
        try:
            keys = read_jwks(body)
        except JwksError as error:
            raise WebhookError(f"the API server's JWKS, {client.host}{_LIVE_JWKS}: {error}") from error
        return Live(keys, issuer if isinstance(issuer, str) else "", client.host)


def _from_pem(content: bytes) -> tuple[Jwk, ...]:
    return tuple(jwk_of(key) for key in read_public_keys(content))


def _explained(where: str, read: Callable[[], _Value]) -> _Value:
    """Returns what `read` returns; errors name the place."""
    try:
        return read()
    except (PemError, DocumentError) as error:
        raise UnusableInput(f"{where}: {error}") from error
