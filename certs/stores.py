"""The two objects that replicas share, the Secret and the MutatingWebhookConfiguration: protocols and in-memory fakes.

Both use the Kubernetes API's optimistic concurrency: a write names the resourceVersion that it is based on.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from certs.errors import Conflict, StoreError


@dataclass(frozen=True)
class StoredSecret:
    """A Secret as we read it. The repr leaves out `data`, which holds private keys."""

    resource_version: str
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict)


class SecretStore(Protocol):
    """One Secret."""

    async def read(self) -> StoredSecret | None:
        """Reads the Secret from the API server, never from a cache. Returns None if it does not exist.

        Raises StoreError.
        """

    async def write(self, data: Mapping[str, bytes], over: StoredSecret | None) -> None:
        """Sets these keys of the Secret `over`, or creates a Secret if `over` is None.

        Keeps other keys, labels and annotations. Raises Conflict if the Secret has changed since `over` was read,
        StoreError for any other failure.
        """


class BundleStore(Protocol):
    """One MutatingWebhookConfiguration."""

    async def read(self) -> Mapping[str, Any]:
        """Reads the object from the API server. Raises Missing if it does not exist, StoreError for other failures."""

    async def patch(self, patch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Applies a strategic merge patch and returns the object after it.

        Raises Conflict if the patch names an older resourceVersion, StoreError for any other failure.
        """


class _Versioned:
    """Counts versions and calls subscribers after each change, as a watch does."""

    def __init__(self) -> None:
        self._version = 0
        self._subscribers: list[Callable[[], None]] = []

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Registers a callback for every later change."""
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
        """Implements the protocol; never fails."""
        return self._stored

    async def write(self, data: Mapping[str, bytes], over: StoredSecret | None) -> None:
        """Implements the protocol."""
        stored = self._stored
        if (stored and stored.resource_version) != (over and over.resource_version):
            raise Conflict("the Secret has changed since it was read")
        self.put({**(stored.data if stored else {}), **data}, stored.annotations if stored else {})

    def put(self, data: Mapping[str, bytes], annotations: Mapping[str, str]) -> None:
        """Replaces the Secret, as an admin does with `kubectl replace`."""
        # Store before _changed counts: its subscribers must find the Secret with the new version.
        self._stored = StoredSecret(str(self._version + 1), dict(data), dict(annotations))
        self._changed()

    def delete(self) -> None:
        """Deletes the Secret, as an admin does with `kubectl delete`."""
        self._stored = None
        self._changed()


class InMemoryBundleStore(_Versioned):
    """A MutatingWebhookConfiguration in memory."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        super().__init__()
        self._configuration: dict[str, Any] = {}
        self.put(configuration)

    async def read(self) -> Mapping[str, Any]:
        """Implements the protocol; never fails."""
        return copy.deepcopy(self._configuration)

    async def patch(self, patch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Implements the protocol for patches of `clientConfig` by entry name."""
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
        """Replaces the configuration, as an admin does with `kubectl replace`."""
        self._configuration = copy.deepcopy(dict(configuration))
        self._configuration.setdefault("metadata", {})["resourceVersion"] = str(self._version + 1)
        self._changed()
