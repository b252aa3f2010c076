"""Reads ServiceAccounts and role mappings from a live cluster, for `replay --live`."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from webhook.admission.identity import ServiceAccount
from webhook.admission.mapping import NO_MAPPING, RoleMapping
from webhook.admission.settings import Settings
from webhook.cluster.access import AccessSettings
from webhook.cluster.accounts import read_account
from webhook.cluster.client import KubernetesClient
from webhook.cluster.config_map import read_mapping
from webhook.cluster.resource import Resource

_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class LiveState:
    """The objects that were read from a cluster; `problems` has a line for each bad entry of the mapping."""

    accounts: dict[tuple[str, str], ServiceAccount]
    mapping: RoleMapping
    problems: list[str]


def live_state(
    access: AccessSettings, keys: Iterable[tuple[str, str]], settings: Settings, config_map: Resource | None
) -> LiveState:
    """Reads the ServiceAccounts `keys` (namespace, name), as far as they exist, and the mapping in `config_map`.

    Each read takes at most 10 s. Raises ClusterError or MappingError.
    """
    return asyncio.run(_live_state(access, keys, settings, config_map))


async def _live_state(
    access: AccessSettings, keys: Iterable[tuple[str, str]], settings: Settings, config_map: Resource | None
) -> LiveState:
    accounts = {}
    async with KubernetesClient(access) as client:
        for namespace, name in sorted(set(keys)):
            account = await read_account(client, namespace, name, settings, seconds=_SECONDS)
            if account is not None:
                accounts[namespace, name] = account
        mapping = NO_MAPPING
        problems: list[str] = []
        if config_map is not None:
            mapping, problems = await read_mapping(client, config_map, seconds=_SECONDS)
    return LiveState(accounts, mapping, problems)
