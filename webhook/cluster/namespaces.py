"""Reads the labels of a Namespace, which select the entries of a MutatingWebhookConfiguration."""

from typing import TYPE_CHECKING

import msgspec

from webhook.cluster.api_errors import ApiError, MalformedAnswer
from webhook.cluster.resource import METADATA, Resource

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient


class _Metadata(msgspec.Struct):
    labels: dict[str, str] | None = None


class _Namespace(msgspec.Struct):
    metadata: _Metadata


async def read_namespace_labels(client: "KubernetesClient", name: str, *, seconds: float) -> dict[str, str] | None:
    """Reads a Namespace's labels within `seconds`; returns None if it does not exist. Raises ClusterError."""
    resource = Resource("namespaces", name=name, is_granted_everywhere=True)
    try:
        body = await client.get(resource, accept=METADATA, seconds=seconds)
        return msgspec.json.decode(body, type=_Namespace).metadata.labels or {}
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    except msgspec.MsgspecError as error:
        raise MalformedAnswer(f"get {resource}: {error}") from error
