"""Reads and writes the Secret on an API server: reads are live, and writes fail if the Secret has changed since.

The Secret holds private keys. We never repeat the API server's message about a failed write, because it may quote what
we wrote: the API server quotes a body that it cannot parse, and an admission webhook may answer anything.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import aiohttp
import msgspec

from certs.errors import Conflict, StoreError
from certs.stores import StoredSecret
from webhook.cluster.api_errors import ApiError, ClusterError
from webhook.cluster.client import KubernetesClient
from webhook.cluster.decoding import UNDECODABLE
from webhook.cluster.resource import Resource
from webhook.server.certificates.bundle_store import Ownership

_ADMISSION: Final = "we hide the message of an admission controller, because it could quote the keys"


@dataclass(frozen=True)
class _ReadSecret(StoredSecret):
    immutable: bool = False


class _Metadata(msgspec.Struct):
    resourceVersion: str
    annotations: dict[str, str] | None = None


class _Secret(msgspec.Struct):
    metadata: _Metadata
    # An empty value may come as null.
    data: dict[str, bytes | None] | None = None
    immutable: bool | None = None


class KubernetesSecretStore:
    """A `certs.stores.SecretStore` for the Secret `name` in `namespace`. The constructor raises InvalidName.

    `owner` returns the labels and annotations for a new Secret.
    """

    def __init__(self, client: KubernetesClient, namespace: str, name: str, owner: Callable[[], Ownership]) -> None:
        self.resource = Resource("secrets", namespace, name)
        self._client = client
        self._owner = owner

    async def read(self) -> StoredSecret | None:
        """Reads the Secret live, without a cache; returns None if it does not exist. Raises StoreError."""
        try:
            body = await self._client.get(self.resource)
        except ClusterError as error:
            if isinstance(error, ApiError) and error.status == 404:
                return None
            failure = self._failure("get", error)
        else:
            return self._decoded(body)
        raise failure

    async def write(self, data: Mapping[str, bytes], over: StoredSecret | None) -> None:
        """Sets these keys in the Secret `over`, or creates the Secret if `over` is None; everything else in it stays.

        Raises Conflict if the Secret is no longer as in `over`, StoreError for other failures.
        """
        if isinstance(over, _ReadSecret) and over.immutable:
            raise StoreError(
                f"{self.resource}: it is immutable, so we cannot renew certificates: delete it"
                f" (kubectl delete secret {self.resource.name} --namespace {self.resource.namespace}),"
                " and we make a new one"
            )
        encoded = {key: b64encode(value).decode() for key, value in data.items()}
        verb: Literal["create", "patch"] = "create" if over is None else "patch"
        try:
            if over is None:
                collection = Resource("secrets", self.resource.namespace)
                await self._client.write(verb, collection, self._new(encoded))
            else:
                # With a resourceVersion, the API server refuses the patch if somebody else has changed the Secret.
                patch = {"metadata": {"resourceVersion": over.resource_version}, "data": encoded}
                await self._client.write(verb, self.resource, patch)
        except ClusterError as error:
            failure = self._failure(verb, error)
        else:
            return
        raise failure

    def _new(self, data: Mapping[str, str]) -> dict[str, Any]:
        owner = self._owner()
        metadata = {
            "name": self.resource.name,
            "labels": dict(owner.labels),
            "annotations": dict(owner.annotations),
        }
        return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}

    def _failure(self, verb: Literal["get", "create", "patch"], error: ClusterError) -> StoreError:
        """Returns the error to raise. The caller raises it outside of `except`: the context could quote a key."""
        if isinstance(error, ApiError):
            if verb != "get" and (error.status == 409 or (error.status == 404 and verb == "patch")):
                return Conflict(f"{self.resource}: somebody else has changed, created or deleted it since we read it")
            # A 401 cannot quote what we sent: the API server checks credentials before it reads the body.
            may_quote = verb != "get" and error.status != 401
        else:
            may_quote = isinstance(error.__cause__, aiohttp.ClientPayloadError | aiohttp.ClientResponseError)
        if not may_quote:
            failure = StoreError(" ".join(str(error).split()))
            failure.__cause__ = error
            return failure
        return StoreError(f"{verb} {self.resource}: {self._outline(verb, error)}")

    def _outline(self, verb: str, error: ClusterError) -> str:
        if not isinstance(error, ApiError):
            return f"the answer of the API server at {self._client.host} is incomplete or not HTTP"
        # An API server's reason is one word; a proxy's could be anything.
        reason = f" {error.reason}" if error.reason.isalpha() and len(error.reason) < 40 else ""
        if error.status == 403:
            return f"403{reason} (grant {self.resource.rule(verb)}; {_ADMISSION})"
        if error.status == 404:
            return f"404{reason} (is there a namespace {self.resource.namespace}?)"
        return f"{error.status}{reason} ({_ADMISSION})"

    def _decoded(self, body: bytes) -> StoredSecret:
        try:
            # msgspec decodes base64 to `bytes`.
            secret = msgspec.json.decode(body, type=_Secret)
        except UNDECODABLE as error:
            # The error's text contains no values, but the error object may hold the undecoded content: do not chain it.
            failure = StoreError(f"{self.resource}: not a Secret of the Kubernetes API: {error}")
        else:
            return _ReadSecret(
                secret.metadata.resourceVersion,
                {key: value or b"" for key, value in (secret.data or {}).items()},
                secret.metadata.annotations or {},
                bool(secret.immutable),
            )
        raise failure
