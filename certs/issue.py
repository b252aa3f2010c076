"""Issues our own CA and the leaves that it signs. Pure except for random keys; time is an argument.

Certificates follow RFC 5280 as strict verifiers read it (OpenSSL's `X509_V_FLAG_X509_STRICT`, the default of
Python 3.13). Strict verifiers refuse a CA without keyUsage and a leaf without authorityKeyIdentifier.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.errors import CannotIssue, InvalidName, InvalidPair
from certs.pem import UNREADABLE

CA_LIFETIME: Final = timedelta(days=3650)
LEAF_LIFETIME: Final = timedelta(days=90)
# The clocks of a cluster's machines differ: a new certificate must be valid on a machine whose clock is slow.
BACKDATED: Final = timedelta(hours=1)
LONGEST_COMMON_NAME: Final = 64  # RFC 5280, ub-common-name

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_LOOKS_LIKE_IPV4: Final = re.compile(r"[0-9]+(\.[0-9]+){3}", re.ASCII)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both as PEM; the key is PKCS #8 and not encrypted.

    The repr leaves out the key, so that no log or traceback can show it.
    """

    certificate: bytes
    private_key: bytes = field(repr=False)


@dataclass(frozen=True)
class Names:
    """The names in a leaf: DNS names (lower case) and IP addresses, at least one in total.

    Raises InvalidName if a name is not a host name by RFC 1123. Wildcards are refused too: an API server calls us by
    one name.
    """

    dns: tuple[str, ...] = ()
    ips: tuple[IPv4Address | IPv6Address, ...] = ()

    def __post_init__(self) -> None:
        if not self.dns and not self.ips:
            raise InvalidName("a certificate needs at least one name")
        for name in self.dns:
            _check_dns_name(name)
        for ip in self.ips:
            if isinstance(ip, IPv6Address) and ip.scope_id is not None:
                raise InvalidName(f"{str(ip)!r}: a certificate cannot carry an IPv6 zone")

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Names":
        """Sorts texts into DNS names and IP addresses. Keeps their order and drops duplicates.

        Raises InvalidName, which names the first invalid text.
        """
        dns: dict[str, None] = {}
        ips: dict[IPv4Address | IPv6Address, None] = {}
        for text in texts:
            try:
                ips[ip_address(text)] = None
            except ValueError:
                dns[text.lower()] = None
        return cls(dns=tuple(dns), ips=tuple(ips))


def service_names(name: str, namespace: str) -> tuple[str, ...]:
    """Returns the names of a Kubernetes Service inside its cluster, as input for Names.parse."""
    return (name, f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local")


def issue_ca(now: datetime, *, common_name: str, lifetime: timedelta = CA_LIFETIME) -> Pair:
    """Issues a new self-signed CA that may sign leaves but no further CA.

    `now` is an aware datetime. The certificate is valid from an hour before `now` until `lifetime` after it, in whole
    seconds. Raises InvalidName if the common name is empty or too long, CannotIssue if the lifetime is below a second.
    """
    if not 0 < len(common_name) <= LONGEST_COMMON_NAME:
        raise InvalidName(f"{common_name!r}: a common name has 1 to {LONGEST_COMMON_NAME} characters")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    not_before, not_after = _validity(now, lifetime)
    builder = (
        _builder(subject, key.public_key(), not_before, not_after)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return _pair(builder.sign(key, SHA256()), key)


def issue_leaf(ca: Pair, names: Names, now: datetime, *, lifetime: timedelta = LEAF_LIFETIME) -> Pair:
    """Issues a new server certificate for `names`, signed by `ca`.

    `now` is an aware datetime. The leaf is valid from an hour before `now` until `lifetime` after it, or until its CA
    ends, whichever comes first. Raises InvalidPair if `ca` is unreadable, CannotIssue if `ca` is not a CA or not valid
    at `now`, or if the lifetime is below a second.
    """
    not_before, not_after = _validity(now, lifetime)
    ca_certificate, ca_key, ca_identifier = _open_ca(ca)
    if not ca_certificate.not_valid_before_utc <= now < ca_certificate.not_valid_after_utc:
        raise CannotIssue(
            f"the CA is valid from {ca_certificate.not_valid_before_utc.isoformat()}"
            f" until {ca_certificate.not_valid_after_utc.isoformat()}, but the time is {now.isoformat()}"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(names)
    alternatives = [*map(x509.DNSName, names.dns), *map(x509.IPAddress, names.ips)]
    builder = (
        _builder(subject, key.public_key(), not_before, min(not_after, ca_certificate.not_valid_after_utc))
        .issuer_name(ca_certificate.subject)
        .add_extension(_key_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        # RFC 5280, 4.2.1.6: if the subject is empty, this extension must be critical.
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=not list(subject))
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_identifier),
            critical=False,
        )
    )
    return _pair(builder.sign(ca_key, SHA256()), key)


def _check_dns_name(name: str) -> None:
    if _LOOKS_LIKE_IPV4.fullmatch(name):
        raise InvalidName(f"{name!r} is neither an IP address nor a DNS name")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise InvalidName(
            f"{name!r} is neither a DNS name (letters, digits and '-' in labels of at most 63 characters) nor an IP"
        )


def _subject(names: Names) -> x509.Name:
    """Returns the first name that fits as the subject, or an empty subject.

    The subject is for people; verifiers read the alternative names only.
    """
    for name in (*names.dns, *map(str, names.ips)):
        if len(name) <= LONGEST_COMMON_NAME:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return x509.Name([])


def _validity(now: datetime, lifetime: timedelta) -> tuple[datetime, datetime]:
    if now.tzinfo is None:
        raise CannotIssue("the time has no time zone")
    if lifetime < timedelta(seconds=1):
        raise CannotIssue(f"a lifetime of {lifetime} is too short")
    utc = now.astimezone(UTC)
    return (utc - BACKDATED).replace(microsecond=0), (utc + lifetime).replace(microsecond=0)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, not_before: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .subject_name(subject)
        .public_key(key)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*granted: str) -> x509.KeyUsage:
    usages = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{usage: usage in granted for usage in usages})


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate=certificate.public_bytes(Encoding.PEM),
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _open_ca(ca: Pair) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey, x509.SubjectKeyIdentifier]:
    try:
        certificate = x509.load_pem_x509_certificate(ca.certificate)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        public_key = certificate.public_key()
    except x509.ExtensionNotFound as error:
        raise CannotIssue("this is not one of our CA certificates") from error
    except UNREADABLE as error:
        raise InvalidPair("the certificate of the CA cannot be read") from error
    if not constraints.ca:
        raise CannotIssue("this is a leaf certificate, not a CA certificate")
    try:
        key = load_pem_private_key(ca.private_key, password=None)
    except UNREADABLE as error:
        raise InvalidPair("the private key of the CA cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != public_key:
        raise InvalidPair("the private key of the CA does not belong to its certificate")
    return certificate, key, identifier
