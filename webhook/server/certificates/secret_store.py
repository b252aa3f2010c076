"""The Secret on an API server: read live, and changed by nobody who has not seen the last change.

It holds private keys. The API server's own words about a write are told to nobody, for they may quote what was
written: it shows where a body cannot be parsed, and an admission webhook answers as it likes.
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
from webhook.cluster.resource import Resource
from webhook.server.certificates.bundle_store import Ownership

_ADMISSION: Final = "what an admission controller may have said is left out, it could quote the keys"


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
    """The Secret `name` in `namespace`, as `certs.stores.SecretStore` has it. Raises InvalidName.

    `owner` is asked for the labels and annotations of a Secret that has to be made.
    """

    def __init__(self, client: KubernetesClient, namespace: str, name: str, owner: Callable[[], Ownership]) -> None:
        self.resource = Resource("secrets", namespace, name)
        self._client = client
        self._owner = owner

    async def read(self) -> StoredSecret | None:
        """The Secret as the API server holds it now, not as a cache does; None where there is none.

        Raises StoreError.
        """
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
        """Sets these keys, in place of `over` or as a new Secret; other keys, labels, annotations and the type stay.

        Raises Conflict when it is no longer `over` that is stored, StoreError for everything else.
        """
        if isinstance(over, _ReadSecret) and over.immutable:
            raise StoreError(
                f"{self.resource}: it is immutable, so certificates cannot be renewed: delete it"
                f" (kubectl delete secret {self.resource.name} --namespace {self.resource.namespace}),"
                " it will be made again"
            )
        encoded = {key: b64encode(value).decode() for key, value in data.items()}
        verb: Literal["create", "patch"] = "create" if over is None else "patch"
        try:
            if over is None:
                collection = Resource("secrets", self.resource.namespace)
                await self._client.write(verb, collection, self._new(encoded))
            else:
                # Refused where the version is another one: this is no blind merge.
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
        """The error to raise; raised outside of the handler, so that no error hangs on to one that may quote a key."""
        if isinstance(error, ApiError):
            if verb != "get" and (error.status == 409 or (error.status == 404 and verb == "patch")):
                return Conflict(f"{self.resource}: somebody else has changed, made or deleted it since it was read")
            # Who is not known has been sent away before anybody looked at what was sent.
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
            return f"the answer of the API server at {self._client.host} broke off or is no HTTP"
        # One word of an API server; of a proxy between it could be anything.
        reason = f" {error.reason}" if error.reason.isalpha() and len(error.reason) < 40 else ""
        if error.status == 403:
            return f"403{reason} (grant {self.resource.rule(verb)}; {_ADMISSION})"
        if error.status == 404:
            return f"404{reason} (is there a namespace {self.resource.namespace}?)"
        return f"{error.status}{reason} ({_ADMISSION})"

    def _decoded(self, body: bytes) -> StoredSecret:
        try:
            # `bytes` is base64 in JSON.
            secret = msgspec.json.decode(body, type=_Secret)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            # Its text names places and no values; the error itself may keep what it could not decode.
            failure = StoreError(f"{self.resource}: not a Secret of the Kubernetes API: {error}")
        else:
            return _ReadSecret(
                secret.metadata.resourceVersion,
                {key: value or b"" for key, value in (secret.data or {}).items()},
                secret.metadata.annotations or {},
                bool(secret.immutable),
            )
        raise failure
