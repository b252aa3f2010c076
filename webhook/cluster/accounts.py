"""The ServiceAccountStore of a live cluster: a watch fills a cache; live reads answer if the cache may be outdated."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from webhook.admission.identity import ServiceAccount
from webhook.admission.mapping import NO_MAPPING, RoleMapping
from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.admission.settings import Settings
from webhook.cluster.account_cache import AccountCache
from webhook.cluster.account_object import AccountObject, service_account
from webhook.cluster.api_errors import ApiError
from webhook.cluster.background import running
from webhook.cluster.collection import Collection
from webhook.cluster.config_map import MappingConfigMap
from webhook.cluster.decoding import decoding
from webhook.cluster.lookup_grace import LookupGrace
from webhook.cluster.lookups import Lookups
from webhook.cluster.resource import METADATA, METADATA_LIST, Resource
from webhook.cluster.watch import Pace, Watch

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient

_PLURAL = "serviceaccounts"
# Large enough for any ServiceAccount: etcd stores at most 1.5 MiB, and JSON may encode each byte as six.
_MAX_ACCOUNT = 10 * 1024 * 1024


class ClusterAccounts:
    """A ServiceAccountStore that follows a cluster; an async context manager.

    Entering it does not wait: until `is_synced` is true, a live read answers for each ServiceAccount. `config_map`
    provides the role mappings; None means no mappings. `lookup_seconds` limits the time of a live read. If a
    ServiceAccount does not exist, `lookup` waits up to `grace_seconds` for it.
    """

    def __init__(
        self,
        client: "KubernetesClient",
        settings: Settings,
        config_map: MappingConfigMap | None = None,
        *,
        lookup_seconds: float = 1.0,
        grace_seconds: float = 0.0,
        pace: Pace | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._config_map = config_map
        self._lookup_seconds = lookup_seconds
        self._grace_seconds = grace_seconds
        self.grace = LookupGrace()
        self._cache = AccountCache(settings, self.grace)
        collection = Collection(Resource(_PLURAL), AccountObject, METADATA_LIST, METADATA)
        self.watch = Watch(client, collection, self._cache, pace)
        self.lookups = Lookups(self._read, seconds=lookup_seconds)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.push_async_callback(self.lookups.close)
        await self._stack.enter_async_context(running(self.watch.run()))
        if self._config_map is not None:
            await self._stack.enter_async_context(self._config_map)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def __len__(self) -> int:
        return len(self._cache)

    @property
    def left_out(self) -> int:
        """How many times a list or event had a ServiceAccount that is too large for the cache."""
        return self._cache.left_out.count

    @property
    def is_synced(self) -> bool:
        """Whether the first list of ServiceAccounts, and of role mappings if used, is complete."""
        return self.watch.is_synced and (self._config_map is None or self._config_map.is_synced)

    @property
    def mapping(self) -> RoleMapping:
        """The role mappings in force."""
        return self._config_map.mapping if self._config_map is not None else NO_MAPPING

    def get(self, namespace: str, name: str) -> ServiceAccount | None:
        """Returns the ServiceAccount from the cache; None means that the caller must look it up.

        The result is None if the ServiceAccount is unknown, is too large for the cache, or has no role but was created
        or changed in the last seconds.
        """
        return self._cache.get(namespace, name)

    async def lookup(self, namespace: str, name: str) -> ServiceAccount | None:
        """Reads the ServiceAccount from the API server; returns None if it does not exist, even after the grace period.

        Does not cache the result: only the watch can tell which version is newer. Raises LookupFailed.
        """
        if not is_dns_label(namespace) or not is_dns_subdomain(name):
            return None
        found = await self.lookups.find(namespace, name)
        if found is None and self._grace_seconds > 0:
            await self.grace.wait(namespace, name, self._grace_seconds)
            found = await self.lookups.find(namespace, name)
        return found

    def accounts(self) -> list[ServiceAccount]:
        """Returns all cached ServiceAccounts that have our annotations, or misspelled ones."""
        return list(self._cache)

    async def _read(self, namespace: str, name: str) -> ServiceAccount | None:
        return await read_account(self._client, namespace, name, self._settings, seconds=self._lookup_seconds)


async def read_account(
    client: "KubernetesClient", namespace: str, name: str, settings: Settings, *, seconds: float
) -> ServiceAccount | None:
    """Reads a ServiceAccount from the API server within `seconds`; returns None if it does not exist.

    Raises ClusterError.
    """
    resource = Resource(_PLURAL, namespace, name, is_granted_everywhere=True)
    try:
        body = await client.get(resource, accept=METADATA, seconds=seconds, max_bytes=_MAX_ACCOUNT)
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    with decoding(resource):
        return service_account(msgspec.json.decode(body, type=AccountObject), settings)
