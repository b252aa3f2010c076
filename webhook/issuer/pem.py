"""Public keys from PEM files, as `--service-account-key-file` of kube-apiserver takes them: several in a file."""

import re
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from webhook.errors import WebhookError
from webhook.issuer.public_key import PublicKey

MAX_BYTES: Final = 64 * 1024
"""Bytes of a file: about a hundred keys. Searching for blocks takes time that grows with the square."""

_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----.*?-----END \1-----", re.DOTALL)
_BEGIN: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]{1,64}-----")
_PUBLIC: Final = frozenset({"PUBLIC KEY", "RSA PUBLIC KEY"})
_FROM_PRIVATE: Final = "openssl pkey -in FILE -pubout writes its public key"


class PemError(WebhookError):
    """PEM that is not public keys that STS can use, in one line."""


def read_public_keys(pem: bytes) -> tuple[PublicKey, ...]:
    """Returns the RSA and EC keys in `pem` (SubjectPublicKeyInfo or PKCS#1), in their order; text around is ignored.

    Raises PemError if there is none, or something else is there too: never take half of a file.
    """
    if len(pem) > MAX_BYTES:
        raise PemError(f"it is larger than {MAX_BYTES // 1024} KiB")
    blocks = list(_BLOCK.finditer(pem))
    if len(blocks) != len(_BEGIN.findall(pem)):
        raise PemError("a PEM block has no end: the file is truncated or damaged")
    if not blocks:
        raise PemError(_instead_of_pem(pem))
    return tuple(_key(match[1].decode("ascii"), match[0]) for match in blocks)


def _key(label: str, block: bytes) -> PublicKey:
    if label not in _PUBLIC:
        raise PemError(_instead_of_public_key(label, block))
    try:
        key = load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PemError("the PEM block is damaged, or a key that STS cannot use: RSA, P-256, P-384 or P-521") from error
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        kind = type(key).__name__.strip("_").removesuffix("PublicKey")
        raise PemError(f"STS cannot use a key of type {kind}: it must be RSA, P-256, P-384 or P-521")
    return key


def _instead_of_public_key(label: str, block: bytes) -> str:
    if label == "ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in block:
        return f"it contains an encrypted private key, not a public one: {_FROM_PRIVATE}"
    if label.endswith("PRIVATE KEY"):
        return f"it contains a private key, not a public one: {_FROM_PRIVATE}"
    if label in {"CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE"}:
        return "it contains a certificate, not a public key: openssl x509 -in FILE -noout -pubkey writes its public key"
    return f"it contains a PEM block {label!r}, not a public key"


def _instead_of_pem(content: bytes) -> str:
    start = content[:256].lstrip()
    if not content:
        return "it is empty (0 bytes)"
    if start.startswith(b"{"):
        return "it is JSON, not PEM: a JWKS goes into --jwks"
    if start.startswith((b"ssh-", b"ecdsa-sha2-")):
        return "it is a key of OpenSSH, not PEM: ssh-keygen -e -m PKCS8 -f FILE converts it"
    if start.startswith(b"\x30"):
        return "it is DER, not PEM: openssl pkey -pubin -inform DER -in FILE converts it"
    return "it has no PEM block, so no public key"
