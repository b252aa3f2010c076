"""Reads what decides about the pods of a Namespace before any webhook: its labels, and whether it is being deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from webhook.cluster.api_errors import ApiError
from webhook.cluster.decoding import decoding
from webhook.cluster.resource import METADATA, Resource

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient


@dataclass(frozen=True, slots=True)
class Namespace:
    """A Namespace's labels; `is_ending`: it is being deleted, so that nobody can create anything in it."""

    labels: Mapping[str, str]
    is_ending: bool = False


class _Metadata(msgspec.Struct):
    labels: dict[str, str] | None = None
    deletionTimestamp: str | None = None


class _Object(msgspec.Struct):
    metadata: _Metadata


async def read_namespace(client: "KubernetesClient", name: str, *, seconds: float) -> Namespace | None:
    """Reads a Namespace within `seconds`; returns None if it does not exist. Raises ClusterError."""
    resource = Resource("namespaces", name=name, is_granted_everywhere=True)
    try:
        body = await client.get(resource, accept=METADATA, seconds=seconds)
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    with decoding(resource):
        metadata = msgspec.json.decode(body, type=_Object).metadata
    return Namespace(metadata.labels or {}, metadata.deletionTimestamp is not None)
