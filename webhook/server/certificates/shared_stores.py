"""The Secret and the webhook configuration that all replicas share; a change of either wakes us."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from certs.bundle import Service
from webhook.cluster.background import running
from webhook.server.certificates.bundle_store import KubernetesBundleStore
from webhook.server.certificates.object_watch import watch_object
from webhook.server.certificates.secret_store import KubernetesSecretStore

if TYPE_CHECKING:
    from certs.rounds import Rounds
    from webhook.cluster.client import KubernetesClient
    from webhook.server.settings import ServerSettings


@dataclass(frozen=True)
class SharedStores:
    """Both stores, and our Service: the entries for it in the webhook configuration are ours."""

    client: KubernetesClient
    secrets: KubernetesSecretStore
    bundles: KubernetesBundleStore
    service: Service

    async def run(self, rounds: Rounds) -> None:
        """Runs `rounds` until it is cancelled, and wakes it at every change of either object."""
        async with AsyncExitStack() as stack:
            for resource in (self.secrets.resource, self.bundles.resource):
                watch = watch_object(self.client, resource, rounds.wake)
                await stack.enter_async_context(running(watch.run()))
            await rounds.run()


def shared_stores(client: KubernetesClient, settings: ServerSettings) -> SharedStores:
    """Returns the stores for the objects that the settings name."""
    bundles = KubernetesBundleStore(client, settings.webhook_configuration)
    secrets = KubernetesSecretStore(client, settings.namespace, settings.tls_secret, lambda: bundles.ownership)
    return SharedStores(client, secrets, bundles, Service(settings.service_name, settings.namespace))
