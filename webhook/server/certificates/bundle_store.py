"""Reads and patches the MutatingWebhookConfiguration on an API server, and remembers which Helm release owns it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from certs.errors import Conflict, Missing, StoreError
from webhook.cluster.api_errors import ApiError, ClusterError
from webhook.cluster.client import KubernetesClient
from webhook.cluster.decoding import UNDECODABLE
from webhook.cluster.resource import Resource

_LABELS: Final = ("app.kubernetes.io/", "helm.sh/chart")
_ANNOTATIONS: Final = ("meta.helm.sh/",)


@dataclass(frozen=True)
class Ownership:
    """The labels and annotations by which Helm recognizes the objects of a release.

    https://helm.sh/docs/chart_best_practices/labels/
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


class KubernetesBundleStore:
    """A `certs.stores.BundleStore` for the MutatingWebhookConfiguration `name`. The constructor raises InvalidName.

    `ownership` is from the last read or patch of the object, and empty before the first.
    """

    def __init__(self, client: KubernetesClient, name: str) -> None:
        self.resource = Resource(
            "mutatingwebhookconfigurations", name=name, group_version="admissionregistration.k8s.io/v1"
        )
        self._client = client
        self.ownership = Ownership()

    async def read(self) -> Mapping[str, Any]:
        """Reads the object live. Raises Missing if it does not exist, StoreError for other failures."""
        try:
            body = await self._client.get(self.resource)
        except ClusterError as error:
            raise self._failure(error) from error
        return self._decoded(body)

    async def patch(self, patch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Applies a strategic merge patch and returns the object after it.

        Raises Conflict if the patch names an older resourceVersion, StoreError for other failures.
        """
        try:
            body = await self._client.write("patch", self.resource, patch)
        except ClusterError as error:
            raise self._failure(error) from error
        return self._decoded(body)

    def _failure(self, error: ClusterError) -> StoreError:
        status = error.status if isinstance(error, ApiError) else 0
        if status == 409:
            return Conflict(f"{self.resource}: somebody else has changed it since we read it")
        if status == 404:
            return Missing(
                f"there is no MutatingWebhookConfiguration {self.resource.name}: no pod gets a role until you apply it "
                "(the chart has it); if yours has another name, set --webhook-configuration"
            )
        return StoreError(" ".join(str(error).split()))

    def _decoded(self, body: bytes) -> dict[str, Any]:
        try:
            configuration = msgspec.json.decode(body, type=dict[str, Any])
            # Insist on a resourceVersion: without one, a patch would overwrite the changes of others.
            metadata = msgspec.convert(configuration.get("metadata"), type=_Metadata)
        except UNDECODABLE as error:
            raise StoreError(f"{self.resource}: not an object of the Kubernetes API: {error}") from error
        self.ownership = Ownership(
            _starting_with(_LABELS, metadata.labels), _starting_with(_ANNOTATIONS, metadata.annotations)
        )
        return configuration


class _Metadata(msgspec.Struct):
    resourceVersion: str
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


def _starting_with(prefixes: tuple[str, ...], members: Mapping[str, str] | None) -> dict[str, str]:
    return {key: value for key, value in (members or {}).items() if key.startswith(prefixes)}
