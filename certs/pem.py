"""Certificates and private keys as PEM: read input that may be damaged, and check who signed a certificate."""

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

# The exceptions that cryptography raises for unreadable input; TypeError means an encrypted key.
UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
# A block contains no hyphen, so the regex reads each byte of a hostile input only once.
_BLOCK: Final = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----")


@lru_cache(maxsize=128)
def read_certificate(pem: bytes) -> x509.Certificate:
    """Returns the first certificate of a PEM text. Raises InvalidPair if it or its extensions are unreadable."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        # Read every part that we use later: cryptography parses lazily, and only one part may be damaged.
        certificate.public_key(), list(certificate.extensions), list(certificate.subject), list(certificate.issuer)
        certificate.not_valid_before_utc, certificate.not_valid_after_utc  # noqa: B018 - read, as above
    except UNREADABLE as error:
        raise InvalidPair("the certificate cannot be read") from error
    return certificate


def read_private_key(pem: bytes) -> PrivateKeyTypes:
    """Returns an unencrypted private key. Raises InvalidPair."""
    try:
        return load_pem_private_key(pem, password=None)
    except UNREADABLE as error:
        raise InvalidPair("the private key cannot be read") from error


def read_certificates(pem: bytes) -> tuple[tuple[bytes, ...], int]:
    """Returns every readable certificate of a bundle, in `canonical` form, and the number of unreadable blocks."""
    found: dict[bytes, None] = {}
    unreadable = 0
    for block in _BLOCK.findall(pem):
        try:
            found[canonical(block)] = None
        except InvalidPair:
            unreadable += 1
    return tuple(found), unreadable


def canonical(pem: bytes) -> bytes:
    """Returns the first certificate of a PEM text in canonical form: equal certificates give equal bytes.

    Raises InvalidPair.
    """
    return read_certificate(pem).public_bytes(Encoding.PEM)


def canonical_key(pem: bytes) -> bytes:
    """Returns a private key as PKCS #8. Raises InvalidPair."""
    return read_private_key(pem).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@lru_cache(maxsize=512)
def is_issued_by(certificate: bytes, ca: bytes) -> bool:
    """Whether the key of `ca` signed `certificate`, whatever their dates. False if either is unreadable."""
    try:
        read_certificate(certificate).verify_directly_issued_by(read_certificate(ca))
    except (InvalidPair, InvalidSignature, *UNREADABLE):
        return False
    return True
