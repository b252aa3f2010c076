"""Public keys of service account tokens: their kid as kube-apiserver computes it, and their algorithms."""

import hashlib
from base64 import urlsafe_b64encode
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PublicKey = RSAPublicKey | EllipticCurvePublicKey

MIN_RSA_BITS: Final = 2048

_RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512")
_CURVE_ALGORITHMS: Final = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}


def kid_of(public_key: PublicKey) -> str:
    """Returns the kid that kube-apiserver gives a key: unpadded base64url(SHA-256(DER SubjectPublicKeyInfo))."""
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode("ascii")


def algorithms_of(public_key: PublicKey) -> tuple[str, ...]:
    """Returns the algorithms (RFC 7518) that STS accepts with the key, kube-apiserver's first; () if there are none."""
    if isinstance(public_key, RSAPublicKey):
        return _RSA_ALGORITHMS
    return _CURVE_ALGORITHMS.get(public_key.curve.name, ())
