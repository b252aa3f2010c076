"""Reads from a live cluster what `replay --live` and `--ca-from-cluster` need."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from webhook.admission.identity import ServiceAccount
from webhook.admission.mapping import NO_MAPPING, RoleMapping
from webhook.admission.settings import Settings
from webhook.cluster.access import AccessSettings
from webhook.cluster.accounts import read_account
from webhook.cluster.api_errors import ApiError
from webhook.cluster.client import KubernetesClient
from webhook.cluster.config_map import read_mapping
from webhook.cluster.decoding import decoding
from webhook.cluster.installation import Installation, read_installation
from webhook.cluster.namespaces import Namespace, read_namespace
from webhook.cluster.resource import Resource

_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class LiveState:
    """The objects that were read from a cluster; `problems` has a line for each that could not be read as a whole.

    `namespaces` has each Namespace that exists, by name; it is None if RBAC does not let us read Namespaces.
    """

    accounts: dict[tuple[str, str], ServiceAccount]
    namespaces: dict[str, Namespace] | None
    mapping: RoleMapping
    problems: list[str]


class LiveCluster:
    """A connection to a cluster for calls that wait; from `live_cluster`. Each read takes at most 10 s."""

    def __init__(self, client: KubernetesClient, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context, or of the pod that we run in; "" if there is none."""
        return self._client.namespace

    def get(self, resource: Resource) -> dict[str, Any]:
        """Reads an object. Raises ClusterError."""
        body = self._runner.run(self._client.get(resource, seconds=_SECONDS))
        with decoding(resource):
            return msgspec.json.decode(body, type=dict[str, Any])

    def installation(self, configuration: str) -> Installation:
        """Reads how the webhook is installed. Raises ClusterError."""
        return self._runner.run(read_installation(self._client, configuration, seconds=_SECONDS))

    def state(
        self,
        accounts: Iterable[tuple[str, str]],
        namespaces: Iterable[str],
        settings: Settings,
        mapping: Resource | None,
    ) -> LiveState:
        """Reads ServiceAccounts (namespace, name) and Namespaces as far as they exist, and the ConfigMap `mapping`.

        Raises ClusterError or MappingError.
        """
        return self._runner.run(self._state(accounts, namespaces, settings, mapping))

    async def _state(
        self,
        keys: Iterable[tuple[str, str]],
        namespaces: Iterable[str],
        settings: Settings,
        config_map: Resource | None,
    ) -> LiveState:
        accounts = {}
        for namespace, name in sorted(set(keys)):
            account = await read_account(self._client, namespace, name, settings, seconds=_SECONDS)
            if account is not None:
                accounts[namespace, name] = account
        mapping, problems = NO_MAPPING, list[str]()
        if config_map is not None:
            mapping, problems = await read_mapping(self._client, config_map, seconds=_SECONDS)
        try:
            found = await self._namespaces(sorted(set(namespaces)))
        except ApiError as error:
            if error.status != 403:
                raise
            problems = [*problems, f"namespaceSelectors are not evaluated: {error}"]
            found = None
        return LiveState(accounts, found, mapping, problems)

    async def _namespaces(self, names: Sequence[str]) -> dict[str, Namespace]:
        found = {}
        for name in names:
            namespace = await read_namespace(self._client, name, seconds=_SECONDS)
            if namespace is not None:
                found[name] = namespace
        return found


@contextmanager
def live_cluster(access: AccessSettings) -> Iterator[LiveCluster]:
    """Yields a connection to a cluster. Raises ClusterError."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def opened() -> KubernetesClient:
            return await stack.enter_async_context(KubernetesClient(access))

        client = runner.run(opened())
        try:
            yield LiveCluster(client, runner)
        finally:
            runner.run(stack.aclose())
