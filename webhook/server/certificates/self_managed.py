"""Serves a self-managed certificate: our own CA signs it, and all replicas share that CA through a Secret."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from certs.authority import Authority
from certs.errors import InvalidPair
from certs.issue import Names, Pair, service_names
from certs.memory import Policy
from certs.renewal import ends_at
from webhook.server.certificates.shared_stores import shared_stores
from webhook.server.certificates.tls_settings import TlsError

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient
    from webhook.server.certificates.contexts import ServingContext
    from webhook.server.settings import ServerSettings

logger = logging.getLogger(__name__)


class SelfManagedCertificate:
    """One replica's part: serves the leaf, and keeps the Secret and the caBundle up to date while it runs."""

    def __init__(self, client: KubernetesClient, settings: ServerSettings, serving: ServingContext) -> None:
        self.serving: Final = serving
        self._stores: Final = shared_stores(client, settings)
        self._is_ready = False
        self.authority: Final = Authority(
            self._stores.secrets,
            self._stores.bundles,
            self._stores.service,
            Names.parse([*service_names(settings.service_name, settings.namespace), *settings.certificate_names]),
            self._serve,
            Policy(
                ca_lifetime=timedelta(seconds=settings.ca_lifetime),
                leaf_lifetime=timedelta(seconds=settings.certificate_lifetime),
                settle=timedelta(seconds=settings.ca_settle),
            ),
        )

    def not_ready_reason(self) -> str:
        """Returns why clients do not trust the served certificate yet; always "" once they have trusted it."""
        self._is_ready = self._is_ready or self.authority.is_trusted
        if self._is_ready:
            return ""
        missing = "the caBundle is not known to the API server yet" if self.authority.serving else "no certificate yet"
        return f"{missing}: {problem}" if (problem := self.authority.problem) else missing

    def ends(self) -> dict[str, datetime]:
        """When the leaf and the CA in the Secret expire (aware, UTC); a missing one is left out."""
        state = self.authority.state
        pairs = {"leaf": state.leaf, "ca": state.ca}
        return {kind: ends_at(pair.certificate) for kind, pair in pairs.items() if pair is not None}

    async def run(self) -> None:
        """Runs until it is cancelled."""
        await self._stores.run(self.authority)

    def _serve(self, leaf: Pair) -> None:
        try:
            self.serving.serve(leaf, cert_name="the certificate in the Secret", key_name="its private key")
        except TlsError as error:
            raise InvalidPair(str(error)) from error
        not_after = self.serving.not_after
        logger.info("serving the certificate until %s", not_after.isoformat() if not_after is not None else "")
