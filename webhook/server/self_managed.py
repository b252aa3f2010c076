"""The certificate that looks after itself: our own CA, shared by all replicas through a Secret of the cluster."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from certs.authority import Authority
from certs.bundle import Service
from certs.errors import InvalidPair
from certs.issue import Names, Pair, service_names
from certs.memory import Policy
from certs.renewal import ends_at
from webhook.cluster.running import running
from webhook.server.bundle_store import KubernetesBundleStore
from webhook.server.object_watch import watch_object
from webhook.server.secret_store import KubernetesSecretStore
from webhook.server.tls_settings import TlsError

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient
    from webhook.server.settings import ServerSettings
    from webhook.server.tls import ServingContext

logger = logging.getLogger(__name__)


class SelfManagedCertificate:
    """One replica's part in the CA: serves its leaf, and keeps the Secret and the caBundle right while it runs."""

    def __init__(self, client: KubernetesClient, settings: ServerSettings, serving: ServingContext) -> None:
        namespace, service_name = settings.namespace, settings.service_name
        self.serving: Final = serving
        bundles = KubernetesBundleStore(client, settings.webhook_configuration)
        secrets = KubernetesSecretStore(client, namespace, settings.tls_secret, lambda: bundles.ownership)
        self.authority: Final = Authority(
            secrets,
            bundles,
            Service(service_name, namespace),
            Names.parse([*service_names(service_name, namespace), *settings.certificate_names]),
            self._serve,
            Policy(
                ca_lifetime=timedelta(seconds=settings.ca_lifetime),
                leaf_lifetime=timedelta(seconds=settings.certificate_lifetime),
                settle=timedelta(seconds=settings.ca_settle),
            ),
        )
        self.watches: Final = {
            name: watch_object(client, resource, self.authority.wake)
            for name, resource in (("secret", secrets.resource), ("webhookconfiguration", bundles.resource))
        }

    def awaited(self) -> str:
        """What keeps us from being ready: no certificate that the API server would trust; empty once there was one."""
        if self.authority.serving is not None:
            return ""
        problem = self.authority.problem
        return "no certificate is served yet" + (f": {problem}" if problem else "")

    def ends(self) -> dict[str, datetime]:
        """When the leaf and the CA in the Secret end (aware, UTC), as far as they are there."""
        state = self.authority.state
        pairs = {"leaf": state.leaf, "ca": state.ca}
        return {kind: ends_at(pair.certificate) for kind, pair in pairs.items() if pair is not None}

    async def run(self) -> None:
        """Runs until it is cancelled."""
        async with AsyncExitStack() as stack:
            for watch in self.watches.values():
                await stack.enter_async_context(running(watch.run()))
            await self.authority.run()

    def _serve(self, leaf: Pair) -> None:
        try:
            self.serving.serve(leaf, cert_name="the certificate in the Secret", key_name="its private key")
        except TlsError as error:
            raise InvalidPair(str(error)) from error
        not_after = self.serving.not_after
        logger.info("serving the certificate until %s", not_after.isoformat() if not_after is not None else "")
