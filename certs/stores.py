"""Where replicas meet: the Secret and the MutatingWebhookConfiguration, as protocols and as fakes in memory.

Both know optimistic concurrency as the Kubernetes API has it: a write names the version it is based on.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from certs.errors import Conflict, StoreError


@dataclass(frozen=True)
class StoredSecret:
    """A Secret as it was read. The data is no part of the representation: it holds private keys."""

    resource_version: str
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict)


class SecretStore(Protocol):
    """One Secret."""

    async def read(self) -> StoredSecret | None:
        """The Secret as the API server holds it now, not as a cache does; None where there is none.

        Raises StoreError.
        """

    async def write(self, data: Mapping[str, bytes], over: StoredSecret | None) -> None:
        """Sets these keys, in place of `over` or as a new Secret; other keys, labels and annotations stay.

        Raises Conflict when it is no longer `over` that is stored, StoreError for everything else.
        """


class BundleStore(Protocol):
    """One MutatingWebhookConfiguration."""

    async def read(self) -> Mapping[str, Any]:
        """The object as the API server holds it now. Raises StoreError, and Missing where there is none."""

    async def patch(self, patch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Applies a strategic merge patch and returns the object after it.

        Raises Conflict when the patch names an older resourceVersion, StoreError for everything else.
        """


class _Versioned:
    """Counts versions and tells subscribers of changes, as a watch does."""

    def __init__(self) -> None:
        self._version = 0
        self._subscribers: list[Callable[[], None]] = []

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Calls back after each change."""
        self._subscribers.append(changed)

    def _changed(self) -> str:
        self._version += 1
        for subscriber in self._subscribers:
            subscriber()
        return str(self._version)


class InMemorySecretStore(_Versioned):
    """A Secret in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._stored: StoredSecret | None = None

    async def read(self) -> StoredSecret | None:
        """As the protocol says; never fails."""
        return self._stored

    async def write(self, data: Mapping[str, bytes], over: StoredSecret | None) -> None:
        """As the protocol says."""
        stored = self._stored
        if (stored and stored.resource_version) != (over and over.resource_version):
            raise Conflict("the Secret has changed since it was read")
        self.put({**(stored.data if stored else {}), **data}, stored.annotations if stored else {})

    def put(self, data: Mapping[str, bytes], annotations: Mapping[str, str]) -> None:
        """What an admin does with `kubectl replace`."""
        # The version counts before subscribers look at what is stored.
        self._stored = StoredSecret(str(self._version + 1), dict(data), dict(annotations))
        self._changed()

    def delete(self) -> None:
        """What an admin does with `kubectl delete`."""
        self._stored = None
        self._changed()


class InMemoryBundleStore(_Versioned):
    """A MutatingWebhookConfiguration in memory."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        super().__init__()
        self._configuration: dict[str, Any] = {}
        self.put(configuration)

    async def read(self) -> Mapping[str, Any]:
        """As the protocol says; never fails."""
        return copy.deepcopy(self._configuration)

    async def patch(self, patch: Mapping[str, Any]) -> Mapping[str, Any]:
        """As the protocol says, for patches of `clientConfig` by entry name."""
        version = patch.get("metadata", {}).get("resourceVersion")
        if version not in {None, self._configuration["metadata"]["resourceVersion"]}:
            raise Conflict("the webhook configuration has changed since it was read")
        configuration = copy.deepcopy(self._configuration)
        entries = {entry["name"]: entry for entry in configuration.get("webhooks", [])}
        for change in patch["webhooks"]:
            if change["name"] not in entries:
                raise StoreError(f"there is no entry {change['name']!r}")
            entries[change["name"]]["clientConfig"].update(change["clientConfig"])
        self.put(configuration)
        return await self.read()

    def put(self, configuration: Mapping[str, Any]) -> None:
        """What an admin does with `kubectl replace`."""
        self._configuration = copy.deepcopy(dict(configuration))
        self._configuration.setdefault("metadata", {})["resourceVersion"] = str(self._version + 1)
        self._changed()
