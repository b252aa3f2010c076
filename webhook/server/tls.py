"""TLS for our listeners: what a connection must offer, which certificate it gets, and how that is changed meanwhile.

A live SSLContext is never touched: loading a key that does not fit its certificate breaks the next handshake. Each
change makes a fresh context, and ServingContext hands it to new connections.
"""

import logging
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from certs.issue import Pair
from webhook.errors import WebhookError

logger = logging.getLogger(__name__)

_MIN_VERSIONS: Final = {
    "1.0": ssl.TLSVersion.TLSv1_2,
    "1.1": ssl.TLSVersion.TLSv1_2,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
# What a server with an RSA or ECDSA certificate can agree on: nothing anonymous, unencrypted or by a shared secret.
_OFFERED: Final = "kECDHE:kRSA:!aNULL:!eNULL:!PSK:!SRP"
_KEY_EXCHANGES: Final = {"TLS_ECDHE_ECDSA": "ECDHE-ECDSA-", "TLS_ECDHE_RSA": "ECDHE-RSA-", "TLS_RSA": ""}
_CIPHERS: Final = {
    "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "AES_128_CBC_SHA": "AES128-SHA",
    "AES_256_CBC_SHA": "AES256-SHA",
    "AES_128_CBC_SHA256": "AES128-SHA256",
    "AES_256_CBC_SHA256": "AES256-SHA256",
    "AES_256_CBC_SHA384": "AES256-SHA384",
    "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
    "CHACHA20_POLY1305": "CHACHA20-POLY1305",  # Go's older name
}
_UNREADABLE: Final = (ValueError, UnsupportedAlgorithm)


class TlsError(WebhookError):
    """A TLS setting, certificate or private key cannot be used. The message is one line."""


@dataclass(frozen=True)
class TlsSettings:
    """What connections must offer. Without cipher suites (OpenSSL's names) Python's choice is kept."""

    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    cipher_suites: tuple[str, ...] = ()


def parse_min_version(text: str) -> tuple[ssl.TLSVersion, str | None]:
    """`1.0` to `1.3`, or Go's `VersionTLS10` to `VersionTLS13`; below 1.2 becomes 1.2 and a notice says so.

    Raises TlsError.
    """
    version = text.strip()
    if version.startswith("VersionTLS1"):
        version = f"1.{version.removeprefix('VersionTLS1')}"
    if version not in _MIN_VERSIONS:
        allowed = ", ".join([*_MIN_VERSIONS, *(f"VersionTLS{name.replace('.', '')}" for name in _MIN_VERSIONS)])
        raise TlsError(f"unknown TLS version {text!r}: use one of {allowed}")
    notice = f"TLS {version} is no longer safe: the minimum is TLS 1.2" if version in {"1.0", "1.1"} else None
    return _MIN_VERSIONS[version], notice


def parse_cipher_suites(text: str) -> tuple[tuple[str, ...], str | None]:
    """A comma list of cipher suites, by Go's (IANA's) or OpenSSL's names, as OpenSSL names them; "" is no choice.

    Those of TLS 1.3 cannot be chosen one by one: they stay on, and a notice says so. Where no others are named,
    contexts refuse TLS 1.2. Raises TlsError, naming what is unknown.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(_OFFERED)
    offered = {cipher["name"] for cipher in context.get_ciphers()}
    named = {name.strip(): _openssl_name(name.strip()) for name in text.split(",") if name.strip()}
    unknown = [name for name, openssl_name in named.items() if openssl_name not in offered]
    if unknown:
        raise TlsError(
            f"unknown cipher suite {', '.join(map(repr, unknown))}: use names such as"
            " TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 or ECDHE-ECDSA-AES128-GCM-SHA256"
        )
    suites = tuple(dict.fromkeys(named.values()))
    fixed = [name for name in suites if _is_tls13(name)]
    if not fixed:
        return suites, None
    notice = f"cipher suites of TLS 1.3 cannot be chosen, all of them stay on: {', '.join(fixed)}"
    return suites, notice + ("; TLS 1.2 is off, as no suite of it is named" if fixed == list(suites) else "")


def _openssl_name(name: str) -> str:
    key_exchange, separator, cipher = name.partition("_WITH_")
    if separator and key_exchange in _KEY_EXCHANGES and cipher in _CIPHERS:
        return _KEY_EXCHANGES[key_exchange] + _CIPHERS[cipher]
    return name


def _is_tls13(openssl_name: str) -> bool:
    return openssl_name.startswith("TLS_")


def _bare_context(settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = settings.min_version
    tls12_suites = [name for name in settings.cipher_suites if not _is_tls13(name)]
    if tls12_suites:
        context.set_ciphers(":".join(tls12_suites))
    elif settings.cipher_suites:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    # No tickets: the API server never resumes a session, and a resumed one does not see a new certificate. (By session
    # ID, TLS 1.2 clients still can: ssl has no switch for it.)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


@dataclass(frozen=True)
class LoadedPair:
    """A context that serves a certificate, and when that certificate ends (aware, UTC)."""

    context: ssl.SSLContext
    not_after: datetime


def build_context(cert_file: Path, key_file: Path, settings: TlsSettings) -> ssl.SSLContext:
    """A server context for a certificate (chain) and its private key in PEM files.

    Raises TlsError, naming the file: missing, unreadable, not PEM, encrypted (nobody is asked for a passphrase), or
    a key of another certificate. An expired certificate is loaded with a warning in the log.
    """
    return _load_files(cert_file, key_file, settings).context


def load_pair(
    pair: Pair, settings: TlsSettings, *, cert_name: str = "the certificate", key_name: str = "the private key"
) -> LoadedPair:
    """As build_context, from PEM bytes; the names are for messages."""
    try:
        leaf = x509.load_pem_x509_certificates(pair.certificate)[0]
        expected = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except _UNREADABLE as error:
        raise TlsError(f"{cert_name} holds no certificate in PEM") from error
    try:
        public_key = load_pem_private_key(pair.private_key, password=None).public_key()
    except TypeError as error:
        raise TlsError(f"{key_name} is encrypted: a private key without a passphrase is needed") from error
    except _UNREADABLE as error:
        raise TlsError(f"{key_name} holds no private key in PEM") from error
    if public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != expected:
        raise TlsError(f"{key_name} is not the private key of {cert_name}")
    context = _bare_context(settings)
    try:
        with _as_path(pair.certificate) as cert_path, _as_path(pair.private_key) as key_path:
            # A password, though there is none to give: without one, OpenSSL asks on the terminal.
            context.load_cert_chain(cert_path, key_path, password="")
    except ssl.SSLError as error:
        raise TlsError(f"OpenSSL refuses {cert_name} or {key_name}: {error.reason or error.strerror}") from error
    except OSError as error:
        raise TlsError(f"cannot load {cert_name}: {error}") from error
    _warn_of_dates(leaf, cert_name)
    return LoadedPair(context, leaf.not_valid_after_utc)


def _load_files(cert_file: Path, key_file: Path, settings: TlsSettings) -> LoadedPair:
    pair = Pair(_read(cert_file), _read(key_file))
    return load_pair(pair, settings, cert_name=str(cert_file), key_name=str(key_file))


def _read(path: Path) -> bytes:
    try:
        if path.is_fifo():
            # Reading it could wait for ever.
            raise TlsError(f"cannot read {path}: is a pipe")
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"cannot read {path}: {error.strerror}") from error


@contextmanager
def _as_path(content: bytes) -> Iterator[str]:
    """`content` under a path, as ssl loads from nothing else: the bytes that were checked are those that are loaded.

    In memory where the system can (Linux, also where all file systems are read-only), else in a private directory.
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
    except (AttributeError, OSError):  # only Linux has it, and a sandbox may forbid it
        return None


def _warn_of_dates(leaf: x509.Certificate, cert_name: str) -> None:
    now = datetime.now(UTC)
    if leaf.not_valid_after_utc <= now:
        logger.warning("%s expired at %s", cert_name, leaf.not_valid_after_utc.isoformat())
    elif leaf.not_valid_before_utc > now:
        logger.warning("%s is not valid before %s", cert_name, leaf.not_valid_before_utc.isoformat())


class ServingContext:
    """The context a listener keeps for its life, giving each new connection the newest inner one.

    OpenSSL asks for it at each ClientHello, with or without a server name. Certificate, cipher suites of TLS 1.2 and
    ALPN then are the inner context's; minimum version, options and client verification stay those of `outer`, so both
    are built from the same settings. Established connections keep what they have.
    """

    def __init__(self, settings: TlsSettings, current: ssl.SSLContext) -> None:
        self._current = current
        self.outer: Final = _bare_context(settings)
        self.outer.sni_callback = self._choose

    def swap(self, new: ssl.SSLContext) -> None:
        """Serves `new` to connections from now on."""
        self._current = new

    def _choose(self, connection: ssl.SSLObject, _server_name: str | None, _outer: ssl.SSLContext) -> None:
        connection.context = self._current


_Identity = tuple[tuple[int, ...], tuple[int, ...]]


class CertificateFiles:
    """A certificate and its private key in files that someone else replaces (cert-manager, kubelet, an admin).

    Loads them at once, raising TlsError; afterwards check() looks for changes. `reloads` and `failures` count what
    came of those, `not_after` is the end (aware, UTC) of the certificate that is served.
    """

    def __init__(self, cert_file: Path, key_file: Path, settings: TlsSettings) -> None:
        self._cert_file = cert_file
        self._key_file = key_file
        self._settings = settings
        self._seen = self._identity()
        loaded = _load_files(cert_file, key_file, settings)
        self.serving: Final = ServingContext(settings, loaded.context)
        self.not_after = loaded.not_after
        self.reloads = 0
        self.failures = 0

    def check(self) -> bool:
        """Serves the files if they have changed, and says whether it did; meant to be called every second or so.

        What cannot be used is logged and counted once, and the old certificate goes on. It is tried again when the
        files change again, which is how a pair that is being written, one file after the other, comes right.
        """
        identity = self._identity()
        if identity == self._seen:
            return False
        try:
            loaded = _load_files(self._cert_file, self._key_file, self._settings)
        except TlsError as error:
            if identity == self._identity():  # else it was replaced while it was read: no failure, look again
                self._seen = identity
                self.failures += 1
                logger.error("%s; the certificate until %s goes on", error, self.not_after.isoformat())  # noqa: TRY400 - the line says all
            return False
        # As it was before it was read: what changed since is seen by the next check.
        self._seen = identity
        self.serving.swap(loaded.context)
        self.not_after = loaded.not_after
        self.reloads += 1
        logger.info("serving the certificate in %s until %s", self._cert_file, self.not_after.isoformat())
        return True

    def _identity(self) -> _Identity:
        return _file_identity(self._cert_file), _file_identity(self._key_file)


def _file_identity(path: Path) -> tuple[int, ...]:
    """Differs when the file does; symlinks are followed, since kubelet swaps the directory that a mount points to."""
    try:
        found = path.stat()
    except OSError as error:
        return (error.errno or 0,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
