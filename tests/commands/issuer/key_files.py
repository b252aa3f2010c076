"""Files with keys, as users have them."""

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.issuer.keys import ec_key, rsa_key
from webhook.issuer.jwks import jwk_of

RSA = jwk_of(rsa_key().public_key())
EC = jwk_of(ec_key("ES256").public_key())
SIGNER = {**jwk_of(ec_key("ES384").public_key()).members, "kid": "of-the-signer"}


def pem(key: Any) -> bytes:
    """Returns the public key of a private one."""
    public: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public


def write(folder: Path) -> None:
    """Writes public keys, JWKS, and what is none."""
    private = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files = {
        "rsa.pub": pem(rsa_key()),
        "ec.pub": pem(ec_key("ES256")),
        "both.pub": pem(ec_key("ES256")) + pem(rsa_key()),
        "small.pub": pem(rsa_key("small", 1024)),
        "private.key": private,
        "empty": b"",
        "page.html": b"<!doctype html><html></html>",
        "old.json": jwks(dict(RSA.members)),
        "new.json": jwks(dict(EC.members)),
        "signer.json": jwks(SIGNER),
        "none.json": jwks(),
        "clash.json": jwks({**EC.members, "kid": RSA.kid}),
        "secret.json": jwks({**RSA.members, "d": "AQAB"}),
        "unnamed.json": jwks({name: value for name, value in RSA.members.items() if name != "kid"}),
        "large.json": b" " * (1024 * 1024 + 1),
        "deep.json": b"[" * 100_000,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)


def jwks(*keys: dict[str, Any]) -> bytes:
    """Returns a JWKS as others write it."""
    return json.dumps({"keys": keys}).encode()
