"""Reads objects of the cluster: each read brings a value, that there is none, or why it failed."""

from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

from webhook.cluster.api_errors import ApiError, ClusterConfigError, ClusterError, Unreachable
from webhook.cluster.client import KubernetesClient
from webhook.cluster.resource import METADATA_LIST, NonResource, PodPort, Resource
from webhook.cluster.shapes import decoded
from webhook.diagnosis.doctor.facts import Object
from webhook.diagnosis.doctor.read import Read

_Value = TypeVar("_Value")

_SECONDS: Final = 10.0
_PAGE: Final = "500"
_PAGES: Final = 40
"""How many pages of a collection are read at most: 20,000 objects."""


class Reader:
    """Reads with one client. If the API server cannot be reached at all, each read raises ClusterError."""

    def __init__(self, client: KubernetesClient) -> None:
        self.client = client

    async def object(self, resource: Resource) -> Read[Object]:
        """Reads an object."""
        return await attempt(self._json(resource))

    async def items(self, resource: Resource, **params: str) -> Read[list[Object]]:
        """Reads all objects of a collection that fits into one answer."""
        read = await attempt(self._json(resource, params))
        return Read(read.value.get("items") or []) if read.value is not None else Read(None, read.problem)

    async def metadata(self, resource: Resource) -> Read[list[Object]]:
        """Reads the metadata of all objects of a collection, in pages."""
        return await attempt(self._pages(resource))

    async def text(self, document: NonResource | PodPort, seconds: float = _SECONDS) -> Read[str]:
        """Reads a document that the API server serves or passes on."""
        return await attempt(self._text(document, seconds))

    async def _json(self, resource: Resource, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        body = await self.client.get(resource, params, seconds=_SECONDS)
        return decoded(body, resource)

    async def _pages(self, resource: Resource) -> list[Object]:
        found: list[Object] = []
        params = {"limit": _PAGE}
        for _ in range(_PAGES):
            body = await self.client.get(resource, params, METADATA_LIST, seconds=_SECONDS)
            page = decoded(body, resource)
            found += page.get("items") or []
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                break
            params = {"limit": _PAGE, "continue": str(token)}
        return found

    async def _text(self, document: NonResource | PodPort, seconds: float) -> str:
        body = await self.client.get(document, accept="*/*", seconds=seconds)
        return body.decode("utf-8", errors="replace")


async def attempt(read: Awaitable[_Value]) -> Read[_Value]:
    """Returns what `read` returns; a missing object and a refusal are values too.

    Raises ClusterError if the API server cannot be reached, or refuses our credentials.
    """
    try:
        return Read(await read)
    except ApiError as error:
        if error.status == 401:
            raise
        return Read(None, "" if error.status == 404 else str(error))
    except (Unreachable, ClusterConfigError):
        raise
    except ClusterError as error:
        return Read(None, str(error))
