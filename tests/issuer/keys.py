"""Keys of an issuer for tests, made once, and the tokens that they sign."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

NOW: Final = datetime(2026, 11, 29, 12, tzinfo=UTC)
CLAIMS: Final[Mapping[str, Any]] = {
    "iss": "https://issuer.example",
    "sub": "system:serviceaccount:apps:web",
    "aud": ["sts.amazonaws.com"],
    "iat": int(NOW.timestamp()) - 60,
    "nbf": int(NOW.timestamp()) - 60,
    "exp": int(NOW.timestamp()) + 3600,
}
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
}


@cache
def rsa_key(name: str = "", bits: int = 2048) -> rsa.RSAPrivateKey:
    """Returns the RSA key of this name: always the same in one run."""
    del name
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(algorithm: str) -> ec.EllipticCurvePrivateKey:
    """Returns the key for ES256, ES384 or ES512: always the same in one run."""
    return ec.generate_private_key(_CURVES[algorithm])


def signed(
    claims: Mapping[str, Any] = CLAIMS, algorithm: str = "RS256", kid: str | None = "one", key: Any = None
) -> str:
    """Returns a token with a true signature."""
    key = key or (rsa_key() if algorithm.startswith("RS") else ec_key(algorithm))
    return jwt.encode(dict(claims), key, algorithm=algorithm, headers={"kid": kid} if kid is not None else {})


def segment(content: Any) -> str:
    """Returns one part of a token: JSON, or bytes as they are."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(header: Any, claims: Any = CLAIMS, signature: bytes = b"s" * 256) -> str:
    """Returns a text of three parts whose signature is nothing."""
    return ".".join(
        (segment(header), segment(dict(claims) if isinstance(claims, Mapping) else claims), segment(signature))
    )
