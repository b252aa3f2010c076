"""Certificates and private keys as PEM: reading what others may have damaged, and who signed what."""

import re
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from certs.errors import InvalidPair

# What cryptography raises for bytes it cannot take; TypeError is an encrypted key.
UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
# No hyphen within: whatever somebody has put there, each byte is looked at once.
_BLOCK: Final = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----")


@lru_cache(maxsize=128)
def read_certificate(pem: bytes) -> x509.Certificate:
    """The first certificate of a PEM text. Raises InvalidPair when it or its extensions cannot be read."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        # All that is read later on: a certificate may be damaged in one place only.
        certificate.public_key(), list(certificate.extensions), list(certificate.subject), list(certificate.issuer)
        certificate.not_valid_before_utc, certificate.not_valid_after_utc  # noqa: B018 - read, as above
    except UNREADABLE as error:
        raise InvalidPair("the certificate cannot be read") from error
    return certificate


def read_private_key(pem: bytes) -> PrivateKeyTypes:
    """A private key that is not encrypted. Raises InvalidPair."""
    try:
        return load_pem_private_key(pem, password=None)
    except UNREADABLE as error:
        raise InvalidPair("the private key cannot be read") from error


def read_certificates(pem: bytes) -> tuple[tuple[bytes, ...], int]:
    """Every readable certificate of a bundle, in `canonical` form, and how many blocks could not be read."""
    found: dict[bytes, None] = {}
    unreadable = 0
    for block in _BLOCK.findall(pem):
        try:
            found[canonical(block)] = None
        except InvalidPair:
            unreadable += 1
    return tuple(found), unreadable


def canonical(pem: bytes) -> bytes:
    """The first certificate of a PEM text as we write it: two are the same certificate if and only if these are equal.

    Raises InvalidPair.
    """
    return read_certificate(pem).public_bytes(Encoding.PEM)


def canonical_key(pem: bytes) -> bytes:
    """A private key as PKCS #8. Raises InvalidPair."""
    return read_private_key(pem).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@lru_cache(maxsize=512)
def is_issued_by(certificate: bytes, ca: bytes) -> bool:
    """Whether the key of `ca` signed `certificate`; dates are not looked at. Nobody issued what is unreadable."""
    try:
        read_certificate(certificate).verify_directly_issued_by(read_certificate(ca))
    except (InvalidPair, InvalidSignature, *UNREADABLE):
        return False
    return True
