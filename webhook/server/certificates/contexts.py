"""TLS contexts for our listeners, and how to replace the certificate while the server runs.

We never change an SSLContext in use: loading a key that does not match its certificate would break the next handshake.
Each change makes a new context, and ServingContext gives it to new connections.
"""

import logging
import os
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from certs.issue import Pair
from webhook.server.certificates.tls_settings import TlsError, TlsSettings, is_tls13

_UNREADABLE: Final = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion)

logger = logging.getLogger(__name__)


def _bare_context(settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = settings.min_version
    tls12_suites = [name for name in settings.cipher_suites if not is_tls13(name)]
    if tls12_suites:
        context.set_ciphers(":".join(tls12_suites))
    elif settings.cipher_suites:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    # No tickets: the API server never resumes sessions, and a client that resumes one does not see a new certificate.
    # (TLS 1.2 clients can still resume by session ID: the ssl module cannot turn that off.)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    context.num_tickets = 0
    if settings.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(cadata=settings.client_ca.decode("ascii", "replace"))
        except (ssl.SSLError, ValueError) as error:
            raise TlsError("the CA for clients holds no certificate in PEM") from error
    return context


@dataclass(frozen=True)
class LoadedPair:
    """A context with a certificate, and the time when that certificate expires (aware, UTC)."""

    context: ssl.SSLContext
    not_after: datetime


def load_pair(
    pair: Pair, settings: TlsSettings, *, cert_name: str = "the certificate", key_name: str = "the private key"
) -> LoadedPair:
    """Makes a server context for a certificate (chain) and its private key, both PEM; the names are for messages.

    Raises TlsError if either is not PEM, if the key is encrypted (there is nobody to ask for a passphrase), or if the
    key belongs to another certificate. Accepts an expired certificate, with a warning in the log.
    """
    try:
        leaf = x509.load_pem_x509_certificates(pair.certificate)[0]
        expected = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except _UNREADABLE as error:
        raise TlsError(f"{cert_name} holds no certificate in PEM") from error
    try:
        public_key = load_pem_private_key(pair.private_key, password=None).public_key()
    except TypeError as error:
        raise TlsError(f"{key_name} is encrypted: remove its passphrase") from error
    except _UNREADABLE as error:
        raise TlsError(f"{key_name} holds no private key in PEM") from error
    if public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != expected:
        raise TlsError(f"{key_name} is not the private key of {cert_name}")
    context = _bare_context(settings)
    try:
        with _as_path(pair.certificate) as cert_path, _as_path(pair.private_key) as key_path:
            # Without a password argument, OpenSSL could ask for one on the terminal.
            context.load_cert_chain(cert_path, key_path, password="")
    except ssl.SSLError as error:
        raise TlsError(f"OpenSSL rejects {cert_name} or {key_name}: {error.reason or error.strerror}") from error
    except OSError as error:
        raise TlsError(f"cannot load {cert_name}: {error}") from error
    _warn_of_dates(leaf, cert_name)
    return LoadedPair(context, leaf.not_valid_after_utc)


@contextmanager
def _as_path(content: bytes) -> Iterator[str]:
    """Makes `content` available under a path: ssl loads only from files, and must load the bytes that we checked.

    The file is in memory on Linux, which also works if all file systems are read-only; otherwise it is in a private
    directory.
    """
    descriptor = _memory_file()
    if descriptor is None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "pem")
            path.write_bytes(content)
            yield str(path)
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        yield f"/dev/fd/{descriptor}"


def _memory_file() -> int | None:
    try:
        return os.memfd_create("pem")
    except (AttributeError, OSError):  # exists only on Linux, and a sandbox may forbid it
        return None


def _warn_of_dates(leaf: x509.Certificate, cert_name: str) -> None:
    now = datetime.now(UTC)
    if leaf.not_valid_after_utc <= now:
        logger.warning("%s expired at %s", cert_name, leaf.not_valid_after_utc.isoformat())
    elif leaf.not_valid_before_utc > now:
        logger.warning("%s is not valid before %s", cert_name, leaf.not_valid_before_utc.isoformat())


class ServingContext:
    """Gives each new connection the newest context; the listener itself always uses `outer`.

    OpenSSL calls us at each ClientHello, with or without a server name. The certificate, the cipher suites of TLS 1.2,
    ALPN and the CAs for clients then come from the newest context. The minimum version, the options and whether clients
    need a certificate still come from `outer`, so we build both from the same settings. Established connections do not
    change. Until the first call of `serve`, every handshake fails. Any thread may make changes.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._pair: Pair | None = None
        self._lock = threading.Lock()
        self._current: LoadedPair | None = None
        self.outer: Final = _bare_context(settings)
        self.outer.sni_callback = self._choose

    @property
    def not_after(self) -> datetime | None:
        """When the served certificate expires (aware, UTC); None if there is none yet."""
        return self._current.not_after if self._current is not None else None

    def serve(self, pair: Pair, *, cert_name: str = "the certificate", key_name: str = "the private key") -> None:
        """Serves `pair` to new connections. Raises TlsError as load_pair does; the old certificate then stays."""
        with self._lock:
            self._current = load_pair(pair, self._settings, cert_name=cert_name, key_name=key_name)
            self._pair = pair

    def check(self, pair: Pair, *, cert_name: str, key_name: str) -> None:
        """Raises TlsError if `serve` would."""
        load_pair(pair, self._settings, cert_name=cert_name, key_name=key_name)

    def trust(self, client_ca: bytes) -> None:
        """Replaces the CAs for clients (PEM). The settings must have had some from the start.

        Raises TlsError; the old CAs then stay.
        """
        with self._lock:
            settings = replace(self._settings, client_ca=client_ca)
            if self._pair is not None:
                self._current = load_pair(self._pair, settings)
            self._settings = settings

    def _choose(self, connection: ssl.SSLObject, _server_name: str | None, _outer: ssl.SSLContext) -> None:
        if self._current is not None:
            connection.context = self._current.context
