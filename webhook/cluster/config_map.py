"""Reads and follows the ConfigMap with role mappings."""

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import msgspec

from webhook.admission.mapping import NO_MAPPING, RoleMapping, parse_mapping
from webhook.cluster.api_errors import ApiError
from webhook.cluster.background import running
from webhook.cluster.collection import Collection, ObjectMeta, PartialObject
from webhook.cluster.decoding import decoding
from webhook.cluster.resource import JSON, Resource
from webhook.cluster.watch import Pace, Watch
from webhook.errors import MappingError

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient

_DOCUMENT: Final = "config"
# All data of a ConfigMap together have at most 1 MiB, and JSON may encode each byte as six.
_MAX_CONFIG_MAP: Final = 8 * 1024 * 1024
_PROBLEMS_NAMED: Final = 20
_MAX_PROBLEM: Final = 300

logger = logging.getLogger(__name__)


class _Data(msgspec.Struct):
    config: str = ""


class ConfigMap(PartialObject):
    """A ConfigMap with the one member of its data that we read."""

    data: _Data | None = None

    @property
    def document(self) -> str:
        """The document with the role mappings; empty if there is none."""
        return self.data.config if self.data is not None else ""


async def read_mapping(
    client: "KubernetesClient", resource: Resource, *, seconds: float
) -> tuple[RoleMapping, list[str]]:
    """Reads the role mappings from the ConfigMap `resource` within `seconds`; also returns a line for each problem.

    Raises ClusterError, or MappingError if the document as a whole is invalid.
    """
    try:
        body = await client.get(resource, seconds=seconds)
    except ApiError as error:
        if error.status == 404:
            return NO_MAPPING, [f"ConfigMap {resource.namespace}/{resource.name} does not exist: no role mappings"]
        raise
    with decoding(resource):
        found = msgspec.json.decode(body, type=ConfigMap)
    return parse_mapping(found.document)


class MappingConfigMap:
    """Follows the role mappings; an async context manager. `mapping` holds the mappings in force.

    An invalid entry is skipped. If the document as a whole is invalid, the previous mappings stay in force. If the
    ConfigMap does not exist, there are no mappings. `bad_entries` is the number of skipped entries in the current
    document; `bad_documents` counts invalid documents.
    """

    def __init__(self, client: "KubernetesClient", namespace: str, name: str, pace: Pace | None = None) -> None:
        self.name = name
        self._place = f"ConfigMap {namespace}/{name}"
        selector = f"metadata.name={name}"
        collection = Collection(Resource("configmaps", namespace), ConfigMap, JSON, JSON, selector, _MAX_CONFIG_MAP)
        self.watch = Watch(client, collection, self, pace)
        self.mapping: RoleMapping = NO_MAPPING
        self.bad_entries = 0
        self.bad_documents = 0
        self._document: str | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(running(self.watch.run()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def is_synced(self) -> bool:
        """Whether we have read the ConfigMap once, or found that it does not exist."""
        return self.watch.is_synced

    def begin(self) -> "ConfigMapListing":
        """Starts a list, which holds our ConfigMap or nothing."""
        return ConfigMapListing(self)

    def put(self, item: ConfigMap) -> None:
        """Takes the ConfigMap after it was added or changed."""
        document = item.document
        if document == self._document:
            return
        self._document = document
        try:
            mapping, problems = parse_mapping(document)
        except MappingError as error:
            self.bad_documents += 1
            logger.warning("%s: data.%s: %s; the last good mappings stay in force", self._place, _DOCUMENT, error)
            return
        self.mapping = mapping
        self.bad_entries = len(problems)
        logger.info("%s: %d role mappings", self._place, len(mapping))
        for problem in problems[:_PROBLEMS_NAMED]:
            logger.warning("%s: data.%s: %s", self._place, _DOCUMENT, problem[:_MAX_PROBLEM])
        if len(problems) > _PROBLEMS_NAMED:
            unnamed = len(problems) - _PROBLEMS_NAMED
            logger.warning("%s: data.%s: %d more entries skipped", self._place, _DOCUMENT, unnamed)

    def skip(self, meta: ObjectMeta, size: int) -> None:  # noqa: ARG002 - Sink requires it; there is only one ConfigMap
        """Takes note that the ConfigMap was added or changed and is too large to decode."""
        self.bad_documents += 1
        logger.warning(
            "%s: too large for a ConfigMap (%d bytes); the last good mappings stay in force", self._place, size
        )

    def delete(self, meta: ObjectMeta | None = None) -> None:  # noqa: ARG002 - as above
        """Drops all mappings, because the ConfigMap was deleted or does not exist."""
        if self._document is not None:
            logger.warning("%s: it was deleted: no role mappings", self._place)
        elif not self.watch.is_synced:
            logger.warning("%s: it does not exist: no role mappings until it is created", self._place)
        self._document = None
        self.mapping = NO_MAPPING
        self.bad_entries = 0


class ConfigMapListing:
    """A list that is in progress; it holds at most our one ConfigMap."""

    def __init__(self, owner: MappingConfigMap) -> None:
        self._owner = owner
        self._found: ConfigMap | None = None
        self._skipped_size = 0

    def add(self, items: Sequence[ConfigMap]) -> None:
        """Takes the objects of one page."""
        for item in items:
            if item.metadata.name == self._owner.name:
                self._found = item

    def skip(self, meta: ObjectMeta, size: int) -> None:
        """Takes note that the ConfigMap exists but is too large to decode."""
        if meta.name == self._owner.name:
            self._skipped_size = size

    def commit(self) -> None:
        """Passes the result to the owner: the list is complete."""
        if self._found is not None:
            self._owner.put(self._found)
        elif self._skipped_size:
            self._owner.skip(ObjectMeta(self._owner.name), self._skipped_size)
        else:
            self._owner.delete()
