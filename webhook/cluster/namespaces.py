"""Reads what decides about the pods of a Namespace before any webhook: its labels, and whether it is being deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.cluster.api_errors import ApiError
from webhook.cluster.collection import Collection, ObjectMeta, PartialObject
from webhook.cluster.decoding import decoding
from webhook.cluster.pages import PageReader
from webhook.cluster.resource import METADATA, METADATA_LIST, Resource

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient

_PAGE: Final = 250


@dataclass(frozen=True, slots=True)
class Namespace:
    """A Namespace's labels; `is_ending`: it is being deleted, so that nobody can create anything in it."""

    labels: Mapping[str, str]
    is_ending: bool = False


class _Metadata(ObjectMeta):
    labels: dict[str, str] | None = None
    deletionTimestamp: str | None = None

    @property
    def namespace_read(self) -> Namespace:
        """The Namespace with this metadata."""
        return Namespace(self.labels or {}, self.deletionTimestamp is not None)


class _Object(PartialObject):
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
        return msgspec.json.decode(body, type=_Object).metadata.namespace_read


async def list_namespaces(client: "KubernetesClient") -> dict[str, Namespace]:
    """Lists all Namespaces, by name. Raises ClusterError."""
    collection = Collection(Resource("namespaces"), _Object, METADATA_LIST, METADATA)
    return {
        item.metadata.name: item.metadata.namespace_read
        async for page in PageReader(client, collection).pages(_PAGE)
        for item in page.items
    }
