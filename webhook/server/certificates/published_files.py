"""Serves a certificate from files and keeps its CA in the caBundle, so that a new CA needs no change of manifests."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from certs.errors import InvalidPair
from certs.external import ExternalCertificate, ExternalCertificateAuthority
from certs.pem import read_certificates
from certs.renewal import ends_at
from webhook.manifests.file_watch import stamp
from webhook.server.certificates.files import CertificateFiles
from webhook.server.certificates.pem_file import read_pem
from webhook.server.certificates.shared_stores import shared_stores
from webhook.server.certificates.tls_settings import TlsError

if TYPE_CHECKING:
    from pathlib import Path

    from certs.issue import Pair
    from webhook.cluster.client import KubernetesClient
    from webhook.server.certificates.contexts import ServingContext
    from webhook.server.settings import ServerSettings


class PublishedFiles(CertificateFiles):
    """Certificate, key and CA in files. Serves a new certificate once the API servers have had time to see its CA."""

    def __init__(
        self, client: KubernetesClient, settings: ServerSettings, ca_file: Path, serving: ServingContext
    ) -> None:
        self._ca_file = ca_file
        self._settle = timedelta(seconds=settings.ca_settle)
        self._external: ExternalCertificate | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__(settings.tls_cert, settings.tls_key, serving)
        stores = shared_stores(client, settings)
        self._stores: Final = stores
        self._is_ready = False
        self.authority: Final = ExternalCertificateAuthority(
            stores.secrets, stores.bundles, stores.service, self._newest, self._serve, self._settle
        )

    def not_ready_reason(self) -> str:
        """Returns why clients do not trust the served certificate yet; always "" once they have trusted it."""
        self._is_ready = self._is_ready or self.authority.is_trusted
        if self._is_ready:
            return ""
        problem = self.authority.problem
        return "the caBundle is not known to the API server yet" + (f": {problem}" if problem else "")

    def ends(self) -> dict[str, datetime]:
        """When the leaf in the files expires, and when the first of its CAs does (aware, UTC)."""
        external = self._newest()
        return {"leaf": ends_at(external.pair.certificate), "ca": min(map(ends_at, external.cas))}

    async def run(self) -> None:
        """Runs until it is cancelled."""
        self._loop = asyncio.get_running_loop()
        await self._stores.run(self.authority)

    def check(self) -> bool:
        """Loads the files if they have changed and settled, and returns whether it did."""
        is_taken_up = super().check()
        if is_taken_up and self._loop is not None:
            # The authority runs in the loop's thread; this is another one.
            self._loop.call_soon_threadsafe(self.authority.wake)
        return is_taken_up

    def _take_up(self, pair: Pair) -> str:
        cas, unreadable = read_certificates(read_pem(self._ca_file))
        if unreadable or not cas:
            raise TlsError(f"{self._ca_file} holds no certificate in PEM, or one that cannot be read")
        names = {"cert_name": str(self._cert_file), "key_name": str(self._key_file)}
        self.serving.check(pair, **names)
        external = ExternalCertificate(pair, cas)
        if not external.signers():
            raise TlsError(f"{self._ca_file} has no CA that verifies {self._cert_file}")
        if self._external is None:
            self.serving.serve(pair, **names)
        self._external = external
        return f"loaded {self._cert_file}; we serve it once its CA has been in the caBundle for --ca-settle"

    def _newest(self) -> ExternalCertificate:
        assert self._external is not None  # noqa: S101 - the constructor sets it, or raises
        return self._external

    def _serve(self, pair: Pair) -> None:
        try:
            self.serving.serve(pair, cert_name=str(self._cert_file), key_name=str(self._key_file))
        except TlsError as error:
            raise InvalidPair(str(error)) from error

    def _stamps(self) -> tuple[Any, ...]:
        return *super()._stamps(), stamp(self._ca_file)
