"""The requirements for TLS connections, and how to parse them from Go's or OpenSSL's names."""

import ssl
from dataclasses import dataclass
from typing import Final

from webhook.errors import WebhookError

_MIN_VERSIONS: Final = {
    "1.0": ssl.TLSVersion.TLSv1_2,
    "1.1": ssl.TLSVersion.TLSv1_2,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
# The suites for a server with an RSA or ECDSA certificate: none that is anonymous, unencrypted or uses a shared secret.
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


class TlsError(WebhookError):
    """A TLS setting, certificate or private key cannot be used. The message is one line."""


@dataclass(frozen=True)
class TlsSettings:
    """The requirements for connections. `cipher_suites` has OpenSSL's names; if it is empty, Python's defaults apply.

    If `client_ca` (PEM) is set, only clients with a certificate from one of these CAs may connect; if None, any client.
    """

    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    cipher_suites: tuple[str, ...] = ()
    client_ca: bytes | None = None


def parse_min_version(text: str) -> tuple[ssl.TLSVersion, str | None]:
    """Parses `1.0` to `1.3`, or Go's `VersionTLS10` to `VersionTLS13`. Raises TlsError.

    Versions below 1.2 become 1.2; the second value is then a notice for the log.
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
    """Parses cipher suites, separated by commas, in Go's (IANA's) or OpenSSL's names; returns OpenSSL's names.

    Nobody can choose single suites of TLS 1.3: all of them stay on, and the second value is then a notice for the log.
    If the text names only such suites, contexts refuse TLS 1.2. Raises TlsError, which names the unknown suites.
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
    fixed = [name for name in suites if is_tls13(name)]
    if not fixed:
        return suites, None
    notice = f"all cipher suites of TLS 1.3 stay on, you cannot choose among them: {', '.join(fixed)}"
    return suites, notice + ("; TLS 1.2 is off, because none of its suites is set" if fixed == list(suites) else "")


def _openssl_name(name: str) -> str:
    key_exchange, separator, cipher = name.partition("_WITH_")
    if separator and key_exchange in _KEY_EXCHANGES and cipher in _CIPHERS:
        return _KEY_EXCHANGES[key_exchange] + _CIPHERS[cipher]
    return name


def is_tls13(openssl_name: str) -> bool:
    """Whether a cipher suite belongs to TLS 1.3."""
    return openssl_name.startswith("TLS_")
