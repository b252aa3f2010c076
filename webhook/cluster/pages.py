"""Lists a collection in pages; the size of a page in bytes is limited, however large its objects are."""

from typing import TYPE_CHECKING, Final, Generic

import msgspec

from webhook.cluster.api_errors import MalformedAnswer, TimedOut, TooLarge
from webhook.cluster.client import MAX_BODY
from webhook.cluster.collection import Collection, Listing, T

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


class _Page(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


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
        token, present = "", limit
        while True:
            try:
                body = await self._read(token, present)
            except (TooLarge, TimedOut):
                if present == 1:
                    raise
                present = max(present // 8, 1)
                continue
            try:
                meta = self._take(body, listing)
            except msgspec.MsgspecError as error:
                raise MalformedAnswer(f"list {self._collection.resource}: {error}") from error
            token = meta.continue_
            if not token:
                break
            if len(body) <= _MAX_PAGE // 4:
                present = min(present * 2, limit)
            del body
        if not meta.resourceVersion:
            raise MalformedAnswer(f"list {self._collection.resource}: no resourceVersion")
        return meta.resourceVersion

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

    def _take(self, body: bytes, listing: Listing[T]) -> _ListMeta:
        page = self._pages.decode(body)
        items = []
        for raw in page.items or ():
            item = self._objects.decode(raw)
            if len(raw) > self._collection.max_object:
                listing.skip(item.metadata, len(raw))
            else:
                items.append(item)
        listing.add(items)
        return page.metadata
