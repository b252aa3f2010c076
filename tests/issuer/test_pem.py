"""Public keys from PEM."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from certs.issue import issue_ca
from tests.issuer.keys import NOW, ec_key, rsa_key
from webhook.issuer.pem import MAX_BYTES, PemError, read_public_keys

SPKI = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
PKCS1 = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
EC = ec_key("ES384").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
CERTIFICATE = issue_ca(NOW, common_name="a CA").certificate
PUBLIC_OF = "openssl pkey -in FILE -pubout writes its public key"


def private(form: PrivateFormat, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return rsa_key().private_bytes(Encoding.PEM, form, encryption)


@pytest.mark.parametrize("pem", [SPKI, PKCS1, b"a comment\n" + SPKI + b"more"], ids=["SPKI", "PKCS#1", "with text"])
def test_an_rsa_key_is_read(pem: bytes) -> None:
    assert read_public_keys(pem) == (rsa_key().public_key(),)


def test_several_keys_are_read_in_their_order() -> None:
    assert read_public_keys(EC + SPKI) == (ec_key("ES384").public_key(), rsa_key().public_key())


REFUSED = {
    "a private key": (private(PrivateFormat.PKCS8), f"it contains a private key, not a public one: {PUBLIC_OF}"),
    "a private key as OpenSSL wrote it": (
        private(PrivateFormat.TraditionalOpenSSL),
        f"it contains a private key, not a public one: {PUBLIC_OF}",
    ),
    "a private key after a public one": (
        SPKI + private(PrivateFormat.PKCS8),
        f"it contains a private key, not a public one: {PUBLIC_OF}",
    ),
    "an encrypted private key": (
        private(PrivateFormat.PKCS8, b"secret"),
        f"it contains an encrypted private key, not a public one: {PUBLIC_OF}",
    ),
    "an encrypted private key as OpenSSL wrote it": (
        private(PrivateFormat.TraditionalOpenSSL, b"secret"),
        f"it contains an encrypted private key, not a public one: {PUBLIC_OF}",
    ),
    "a certificate": (
        CERTIFICATE,
        "it contains a certificate, not a public key: openssl x509 -in FILE -noout -pubkey writes its public key",
    ),
    "another block": (
        b"-----BEGIN DH PARAMETERS-----\nAA==\n-----END DH PARAMETERS-----\n",
        "it contains a PEM block 'DH PARAMETERS', not a public key",
    ),
    "a truncated key": (SPKI[:-20], "a PEM block has no end: the file is truncated or damaged"),
    "a damaged key": (
        SPKI.replace(b"MIIB", b"AAAA"),
        "the PEM block is damaged, or a key that STS cannot use: RSA, P-256, P-384 or P-521",
    ),
    "an Ed25519 key": (
        ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "STS cannot use a key of type Ed25519: it must be RSA, P-256, P-384 or P-521",
    ),
    "an OpenSSH key": (
        rsa_key().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "it is a key of OpenSSH, not PEM: ssh-keygen -e -m PKCS8 -f FILE converts it",
    ),
    "DER": (
        rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "it is DER, not PEM: openssl pkey -pubin -inform DER -in FILE converts it",
    ),
    "a JWKS": (b'{"keys": []}', "it is JSON, not PEM: a JWKS goes into --jwks"),
    "0 bytes": (b"", "it is empty (0 bytes)"),
    "other text": (b"hello", "it has no PEM block, so no public key"),
    "a large file": (SPKI + b" " * MAX_BYTES, "it is larger than 64 KiB"),
}


@pytest.mark.parametrize(("pem", "problem"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_public_key_is_named_in_one_line(pem: bytes, problem: str) -> None:
    with pytest.raises(PemError) as raised:
        read_public_keys(pem)

    assert str(raised.value) == problem


def test_the_certificate_of_the_test_is_one() -> None:
    assert x509.load_pem_x509_certificate(CERTIFICATE)


@given(
    st.lists(st.sampled_from([b"-----BEGIN ", b"PUBLIC KEY", b"-----", b"-----END ", b"\n", SPKI, b"A"]), max_size=12)
)
def test_no_bytes_lead_to_another_error(parts: list[bytes]) -> None:
    problem = ""
    try:
        read_public_keys(b"".join(parts))
    except PemError as error:
        problem = str(error)
    assert "\n" not in problem
