"""Requests a ServiceAccount's token from the cluster (TokenRequest). The token is never printed."""

from collections.abc import Sequence
from typing import Final

import msgspec

from webhook.cluster.access import AccessSettings
from webhook.cluster.api_errors import ClusterError
from webhook.cluster.client import KubernetesClient
from webhook.cluster.decoding import UNDECODABLE
from webhook.cluster.resource import Resource
from webhook.errors import WebhookError

_SECONDS: Final = 600
"""The shortest life that the API server grants."""


class _Status(msgspec.Struct):
    token: str


class _TokenRequest(msgspec.Struct):
    status: _Status


async def request_token(access: AccessSettings, namespace: str, name: str, audiences: Sequence[str]) -> str:
    """Returns a token of the ServiceAccount that lives for ten minutes. Raises WebhookError."""
    resource = Resource("serviceaccounts", namespace, name, subresource="token")
    spec = {"audiences": list(audiences), "expirationSeconds": _SECONDS}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    try:
        async with KubernetesClient(access) as client:
            answer = await client.write("create", resource, body)
        return msgspec.json.decode(answer, type=_TokenRequest).status.token
    except ClusterError as error:
        raise WebhookError(f"no token of ServiceAccount {namespace}/{name} could be requested: {error}") from error
    except UNDECODABLE as error:
        # Without msgspec's text: the answer has the token in it.
        raise WebhookError("the API server's answer is not a TokenRequest") from error
