"""Lists a collection in pages; the size of a page in bytes is limited, however large its objects are."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic

import msgspec

from webhook.cluster.api_errors import MalformedAnswer, TimedOut, TooLarge
from webhook.cluster.client import MAX_BODY
from webhook.cluster.collection import Collection, Listing, ObjectMeta, T
from webhook.cluster.decoding import UNDECODABLE

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient

# A page of 250 ordinary objects takes about 20 ms. The API server needs many seconds for a page of large objects; after
# a timeout we request fewer objects per page, which succeeds.
_SECONDS: Final = 10.0
# Decoding a page blocks the event loop: this size takes about 15 ms. A page of 250 ordinary ServiceAccounts has a
# thirtieth of it.
_MAX_PAGE: Final = 4 * 1024 * 1024


class _ListMeta(msgspec.Struct):
    resourceVersion: str = ""
    continue_: str = msgspec.field(default="", name="continue")
    remainingItemCount: int | None = None


class _Page(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page: its objects, and the metadata and size in bytes of those that are too large for the collection.

    `remaining` is about how many objects follow; 0 if the API server does not say.
    """

    items: list[T]
    skipped: list[tuple[ObjectMeta, int]]
    resource_version: str = ""
    remaining: int = 0


class PageReader(Generic[T]):
    """Lists one collection.

    If a page is too large or takes the API server too long, the reader requests it again with fewer objects. When
    pages are small again, it raises the number of objects step by step.
    """

    def __init__(self, client: "KubernetesClient", collection: Collection[T]) -> None:
        self._client = client
        self._collection = collection
        self._pages = msgspec.json.Decoder(_Page)
        self._objects = msgspec.json.Decoder(collection.item)

    async def read_into(self, listing: Listing[T], limit: int) -> str:
        """Passes all objects to `listing`, in pages of at most `limit` objects; returns the list's resourceVersion.

        Raises ClusterError.
        """
        version = ""
        async for page in self.pages(limit):
            for meta, size in page.skipped:
                listing.skip(meta, size)
            listing.add(page.items)
            version = page.resource_version
        if not version:
            raise MalformedAnswer(f"list {self._collection.resource}: no resourceVersion")
        return version

    async def pages(self, limit: int) -> AsyncIterator[Page[T]]:
        """Yields all objects in pages of at most `limit`. Raises ClusterError; Expired if the reader took too long."""
        token, present = "", limit
        seen: set[str] = set()
        while True:
            try:
                body = await self._read(token, present)
            except (TooLarge, TimedOut):
                if present == 1:
                    raise
                present = max(present // 8, 1)
                continue
            try:
                page, token = self._page(body)
            except UNDECODABLE as error:
                raise MalformedAnswer(f"list {self._collection.resource}: {error}") from error
            if token in seen:
                raise MalformedAnswer(f"list {self._collection.resource}: its continue tokens go round in a loop")
            seen.add(token)
            size = len(body)
            # The objects of a page may refer to its body: hold neither while the next page is read.
            del body
            yield page
            del page
            if not token:
                return
            if size <= _MAX_PAGE // 4:
                present = min(present * 2, limit)

    async def _read(self, token: str, limit: int) -> bytes:
        params = {"limit": str(limit)}
        if token:
            params["continue"] = token
        if self._collection.field_selector:
            params["fieldSelector"] = self._collection.field_selector
        # Accept a single object of any size: no smaller page exists, so the list could never pass it.
        max_bytes = _MAX_PAGE if limit > 1 else MAX_BODY
        return await self._client.get(
            self._collection.resource, params, self._collection.list_accept, seconds=_SECONDS, max_bytes=max_bytes
        )

    def _page(self, body: bytes) -> tuple[Page[T], str]:
        """Returns a page, and the token of the next one."""
        read = self._pages.decode(body)
        items, skipped = [], []
        for raw in read.items or ():
            item = self._objects.decode(raw)
            if len(raw) > self._collection.max_object:
                skipped.append((item.metadata, len(raw)))
            else:
                items.append(item)
        meta = read.metadata
        return Page(items, skipped, meta.resourceVersion, meta.remainingItemCount or 0), meta.continue_
