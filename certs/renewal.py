"""Decides whether to replace a certificate, and why. Pure; every time is an aware datetime.

A reason is one of a few fixed texts, so that it can label a metric.
"""

from datetime import datetime, timedelta
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from certs.errors import InvalidPair
from certs.issue import BACKDATED, Names, Pair
from certs.pem import is_issued_by, read_certificate, read_private_key

Reason = Literal[
    "missing",
    "unreadable",
    "key mismatch",
    "not a CA",
    "CA changed",
    "names changed",
    "not yet valid",
    "expired",
    "due",
    "requested",
]
_SECOND: Final = timedelta(seconds=1)


def renewal_reason(
    leaf: Pair | None, ca: Pair | None, names: Names, now: datetime, *, requested: datetime | None = None
) -> Reason | None:
    """Returns the gravest reason to replace the leaf, or None if the leaf can stay.

    `ca` signs the next leaf; if it is None, the issuer of the leaf is not checked. A leaf with more names than `names`
    stays: otherwise replicas of two releases with different names would replace each other's leaf without end. If
    `requested` is set, every leaf issued before that time is due from that time on.
    """
    broken = _broken(leaf)
    if leaf is None or broken is not None:
        return broken
    certificate = read_certificate(leaf.certificate)
    outdated = _outside_validity(certificate, now)
    if outdated is not None:
        return outdated
    if ca is not None and not is_issued_by(leaf.certificate, ca.certificate):
        return "CA changed"
    if not _carries(certificate, names):
        return "names changed"
    if now >= due_at(leaf, ca):
        return "due"
    return "requested" if _is_requested(leaf, requested, now) else None


def ca_renewal_reason(ca: Pair | None, now: datetime, *, requested: datetime | None = None) -> Reason | None:
    """Returns the gravest reason to replace the CA, or None. `requested` works as in `renewal_reason`."""
    broken = _broken(ca)
    if ca is None or broken is not None:
        return broken
    certificate = read_certificate(ca.certificate)
    if not _may_sign(certificate):
        return "not a CA"
    outdated = _outside_validity(certificate, now)
    if outdated is not None:
        return outdated
    if now >= due_at(ca):
        return "due"
    return "requested" if _is_requested(ca, requested, now) else None


def can_sign(ca: Pair | None, now: datetime) -> bool:
    """Whether this CA can sign leaves now. A CA that is due for renewal still can."""
    return ca_renewal_reason(ca, now) in {None, "due"}


def is_current(certificate: bytes, now: datetime) -> bool:
    """Whether a certificate is within its validity period. Raises InvalidPair if it is unreadable."""
    return _outside_validity(read_certificate(certificate), now) is None


def ends_at(certificate: bytes) -> datetime:
    """Returns when a certificate ends. Raises InvalidPair."""
    return read_certificate(certificate).not_valid_after_utc


def issued_at(pair: Pair) -> datetime:
    """Returns when we issued a certificate: a fixed time after its NotBefore. Raises InvalidPair."""
    return read_certificate(pair.certificate).not_valid_before_utc + BACKDATED


def due_at(pair: Pair, ca: Pair | None = None) -> datetime:
    """Returns when two thirds of a certificate's life are over, counted from its issue. Raises InvalidPair.

    If the leaf does not end before `ca`, which would sign the next leaf, it is due at its end: the next leaf would
    last no longer.
    """
    end = ends_at(pair.certificate)
    if ca is not None and ends_at(ca.certificate) <= end:
        return end
    issued = issued_at(pair)
    return min(issued + (end - issued) * 2 / 3, end)


def takes_effect_at(requested: datetime) -> datetime:
    """Returns when a request takes effect: at the next whole second.

    Certificates record whole seconds, so we could not tell an old certificate from a new one within the second of
    the request.
    """
    whole = requested.replace(microsecond=0)
    return whole if whole == requested else whole + _SECOND


def _broken(pair: Pair | None) -> Reason | None:
    if pair is None or not (pair.certificate or pair.private_key):
        return "missing"
    try:
        certificate = read_certificate(pair.certificate)
        key = read_private_key(pair.private_key)
    except InvalidPair:
        return "unreadable"
    return None if certificate.public_key() == key.public_key() else "key mismatch"


def _outside_validity(certificate: x509.Certificate, now: datetime) -> Reason | None:
    """A certificate is "not yet valid" if the clock has jumped back since we issued it."""
    if now < certificate.not_valid_before_utc:
        return "not yet valid"
    return "expired" if now >= certificate.not_valid_after_utc else None


def _is_requested(pair: Pair, requested: datetime | None, now: datetime) -> bool:
    if requested is None:
        return False
    effective = takes_effect_at(requested)
    return issued_at(pair) < effective <= now


def _carries(certificate: x509.Certificate, names: Names) -> bool:
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    dns = {name.lower() for name in alternatives.get_values_for_type(x509.DNSName)}
    return dns.issuperset(names.dns) and set(alternatives.get_values_for_type(x509.IPAddress)).issuperset(names.ips)


def _may_sign(certificate: x509.Certificate) -> bool:
    """Whether a certificate meets the requirements of `issue_leaf` and of strict verifiers for a CA."""
    extensions = certificate.extensions
    try:
        extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and usage.key_cert_sign and isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
