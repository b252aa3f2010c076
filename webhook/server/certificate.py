"""Which certificate is served, by the settings."""

import logging
from datetime import UTC, datetime

from certs.errors import CertificateError
from certs.files import ephemeral
from webhook.errors import WebhookError
from webhook.server.listener import check_port
from webhook.server.settings import ServerSettings
from webhook.server.tls import CertificateFiles, TlsError, TlsSettings, parse_cipher_suites, parse_min_version

logger = logging.getLogger(__name__)


def certificate_of(settings: ServerSettings) -> CertificateFiles:
    """The certificate to serve: an ephemeral one that is made now, else that in the files named.

    Raises WebhookError where there is none that can be used.
    """
    tls = _tls_settings(settings)
    cert, key = settings.tls_cert, settings.tls_key
    if settings.ephemeral_certificate is not None:
        # Before anything is written: whoever serves there already may serve from the same folder.
        check_port(settings.bind_address, settings.port)
        check_port(settings.bind_address, settings.metrics_port)
        try:
            files = ephemeral(settings.ephemeral_certificate, settings.certificate_names, datetime.now(UTC))
        except CertificateError as error:
            raise WebhookError(f"--ephemeral-certificate: {error}") from error
        cert, key = files.certificate, files.private_key
    try:
        return CertificateFiles(cert, key, tls)
    except TlsError as error:
        raise WebhookError(f"{error}; name others with --tls-cert and --tls-key, or --ephemeral-certificate") from error


def _tls_settings(settings: ServerSettings) -> TlsSettings:
    min_version, version_notice = parse_min_version(settings.tls_min_version)
    suites, suites_notice = parse_cipher_suites(settings.tls_cipher_suites)
    for notice in filter(None, (version_notice, suites_notice)):
        logger.warning(notice)
    return TlsSettings(min_version, suites)
