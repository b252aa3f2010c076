"""Chooses the certificate source by the settings: self-managed, from files, or ephemeral."""

import logging
from datetime import UTC, datetime
from typing import Protocol

from certs.errors import CertificateError
from certs.files import ephemeral
from webhook.cluster.client import KubernetesClient
from webhook.errors import WebhookError
from webhook.server.certificates.contexts import ServingContext
from webhook.server.certificates.files import CertificateFiles
from webhook.server.certificates.pem_file import read_pem
from webhook.server.certificates.published_files import PublishedFiles
from webhook.server.certificates.self_managed import SelfManagedCertificate
from webhook.server.certificates.tls_settings import TlsError, TlsSettings, parse_cipher_suites, parse_min_version
from webhook.server.http.listener import check_port
from webhook.server.settings import ServerSettings

logger = logging.getLogger(__name__)


class CertificateSource(Protocol):
    """Loads a certificate into `serving` and keeps it fresh."""

    @property
    def serving(self) -> ServingContext:
        """The TLS contexts for listeners."""

    def not_ready_reason(self) -> str:
        """Returns why clients do not trust the served certificate yet, or ""."""

    async def run(self) -> None:
        """Renews the certificate until it is cancelled."""


def certificate_of(settings: ServerSettings, client: KubernetesClient | None) -> CertificateSource:
    """Returns the source of the certificate to serve. `client` is None if there is no cluster.

    Raises WebhookError if the settings name no usable certificate.
    """
    try:
        serving = ServingContext(_tls_settings(settings))
    except TlsError as error:
        raise WebhookError(f"--client-ca: {settings.client_ca}: {error}") from error
    if settings.self_managed:
        assert client is not None  # noqa: S101 - without a cluster, the settings refuse this
        logger.info(
            "the certificate is self-managed: Secret %s/%s, MutatingWebhookConfiguration %s",
            settings.namespace,
            settings.tls_secret,
            settings.webhook_configuration,
        )
        return SelfManagedCertificate(client, settings, serving)
    cert, key = settings.tls_cert, settings.tls_key
    if settings.ephemeral_certificate is not None:
        # Check before we write: another process on these ports may serve the files of the same folder.
        check_port(settings.bind_address, settings.port)
        check_port(settings.bind_address, settings.metrics_port)
        try:
            files = ephemeral(settings.ephemeral_certificate, settings.certificate_names, datetime.now(UTC))
        except CertificateError as error:
            raise WebhookError(f"--ephemeral-certificate: {error}") from error
        cert, key = files.certificate, files.private_key
    try:
        if settings.tls_ca is not None:
            assert client is not None  # noqa: S101 - as above
            return PublishedFiles(client, settings, settings.tls_ca, serving)
        return CertificateFiles(cert, key, serving)
    except TlsError as error:
        raise WebhookError(f"{error}; set --tls-cert and --tls-key, or --ephemeral-certificate") from error


def _tls_settings(settings: ServerSettings) -> TlsSettings:
    min_version, version_notice = parse_min_version(settings.tls_min_version)
    suites, suites_notice = parse_cipher_suites(settings.tls_cipher_suites)
    for notice in filter(None, (version_notice, suites_notice)):
        logger.warning(notice)
    client_ca = None
    if settings.client_ca is not None:
        try:
            client_ca = read_pem(settings.client_ca)
        except TlsError as error:
            raise WebhookError(f"--client-ca: {error}") from error
    return TlsSettings(min_version, suites, client_ca)
