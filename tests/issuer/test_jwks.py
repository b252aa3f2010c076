"""Reading, judging and writing JWKS."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from tests.issuer.keys import ec_key, rsa_key
from webhook.issuer.jwks import Jwk, JwksError, jwk_of, jwks_document, kid_of, read_jwks
from webhook.issuer.pem import read_public_keys

RSA = dict(jwk_of(rsa_key().public_key()).members)
EC = dict(jwk_of(ec_key("ES256").public_key()).members)
# Its kid is what `openssl dgst -sha256` gives for its DER form.
KNOWN_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6AGDWpgVaFCviz7R/la+JITDWNC4
8Vll0kVOZM8ogakJ6/wEW9Kx64h3UCyfN2tti6flgiIrjewc7+IrWurlcg==
-----END PUBLIC KEY-----
"""
KNOWN_KID = "lzOFzPLFkbf5a3gN-agvGGo_Mzwfcy61zKsxpfkNWJQ"


def document(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def test_the_kid_is_the_hash_of_the_der_form() -> None:
    (key,) = read_public_keys(KNOWN_KEY)

    assert kid_of(key) == jwk_of(key).kid == KNOWN_KID


@pytest.mark.parametrize(
    ("key", "alg", "kty"),
    [
        (rsa_key(), "RS256", "RSA"),
        (rsa_key("large", 3072), "RS256", "RSA"),
        (ec_key("ES256"), "ES256", "EC"),
        (ec_key("ES384"), "ES384", "EC"),
        (ec_key("ES512"), "ES512", "EC"),
    ],
    ids=["RSA 2048", "RSA 3072", "P-256", "P-384", "P-521"],
)
def test_a_key_is_written_and_read_again_as_the_same_usable_key(key: Any, alg: str, kty: str) -> None:
    public = key.public_key()
    (read,) = read_jwks(jwks_document([jwk_of(public)]))

    assert (read.kid, read.kty, read.alg, read.use) == (kid_of(public), kty, alg, "sig")
    assert (read.public_key, read.algorithms, read.unusable_reason) == (public, (alg,), "")


def test_a_document_has_the_same_bytes_in_any_order_and_no_member_is_lost() -> None:
    keys = [*read_jwks(document({"x5t": "a", **RSA}, EC))]

    assert jwks_document(keys) == jwks_document(reversed(keys))
    assert sorted(json.loads(jwks_document(keys))["keys"], key=str) == sorted([{"x5t": "a", **RSA}, EC], key=str)


@given(st.permutations([jwk_of(ec_key(name).public_key()) for name in ("ES256", "ES384", "ES512")]))
def test_the_order_of_keys_never_shows(keys: list[Jwk]) -> None:
    assert jwks_document(keys) == jwks_document(sorted(keys, key=lambda jwk: jwk.alg))


WITHOUT_KID = {name: value for name, value in RSA.items() if name != "kid"}
SMALL = {"kty": "RSA", "kid": "small", "n": "w" * 171, "e": "AQAB"}
UNUSABLE = {
    "a private RSA key": ({**RSA, "d": "AQAB"}, "it contains a private key or a secret (member d): never publish it"),
    "a symmetric key": (
        {"kty": "oct", "k": "c2VjcmV0", "kid": "a"},
        "it contains a private key or a secret (member k): never publish it",
    ),
    "another type": (
        {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "a"},
        "STS cannot use a key of type 'OKP': it must be RSA or EC",
    ),
    "no type": ({"kid": "a"}, "it has no kty"),
    "no modulus": ({"kty": "RSA", "e": "AQAB", "kid": "a"}, "it has no n, or not as text"),
    "a number as modulus": ({"kty": "RSA", "n": 5, "e": "AQAB", "kid": "a"}, "it has no n, or not as text"),
    "a padded modulus": (
        {**RSA, "n": RSA["n"] + "=="},
        "its n is not a number of a key in base64url without padding",
    ),
    "an enormous modulus": ({**RSA, "n": "w" * 5000}, "its n is not a number of a key in base64url without padding"),
    "a small RSA key": (SMALL, "its RSA key has 1,024 bits: STS wants at least 2,048"),
    "an even exponent": ({**RSA, "e": "Ag"}, "its members make no RSA key: "),
    "a point off the curve": ({**EC, "y": EC["x"]}, "its members make no EC key: "),
    "an unknown curve": ({**EC, "crv": "P-192"}, "its members make no EC key: Invalid curve: P-192"),
    "an algorithm of another type": ({**EC, "alg": "RS256"}, "its alg 'RS256' does not fit the key: ES256"),
    "an algorithm of another curve": ({**EC, "alg": "ES384"}, "its alg 'ES384' does not fit the key: ES256"),
    "PSS": ({**RSA, "alg": "PS256"}, "its alg 'PS256' does not fit the key: RS256 or RS384 or RS512"),
    "no kid": (WITHOUT_KID, "it has no kid, so STS cannot find it"),
    "a key for encryption": ({**RSA, "use": "enc"}, "its use is 'enc', not 'sig'"),
    "a key that must not verify": ({**RSA, "key_ops": ["encrypt"]}, "its key_ops lack 'verify'"),
}


@pytest.mark.parametrize(("members", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_key_that_sts_cannot_use_says_why(members: dict[str, Any], reason: str) -> None:
    (jwk,) = read_jwks(document(members))

    if reason.endswith(": "):
        assert jwk.unusable_reason.startswith(reason)
    else:
        assert jwk.unusable_reason == reason


def test_a_curve_that_sts_does_not_know_is_no_key_to_publish() -> None:
    with pytest.raises(JwksError, match="curve secp256k1"):
        jwk_of(ec.generate_private_key(ec.SECP256K1()).public_key())
    with pytest.raises(JwksError, match="curve secp224r1"):
        jwk_of(ec.generate_private_key(ec.SECP224R1()).public_key())


@pytest.mark.parametrize("members", [{}, {"alg": "RS512"}], ids=["no alg", "RS512"])
def test_the_algorithms_are_those_of_the_key(members: dict[str, str]) -> None:
    without_alg = {name: value for name, value in RSA.items() if name != "alg"}
    (jwk,) = read_jwks(document(without_alg | members))

    assert (jwk.unusable_reason, jwk.algorithms) == ("", (members.get("alg", "RS256"),))


def test_a_private_key_is_never_written() -> None:
    (jwk,) = read_jwks(document({**RSA, "d": "AQAB"}))

    assert jwk.has_private_members
    with pytest.raises(JwksError, match="never publish it"):
        jwks_document([jwk])


SAME_KID = f"keys[0] and keys[2] have the same kid {RSA['kid']!r}"
NO_JWKS = {
    "0 bytes": (b"", "it is empty (0 bytes)"),
    "HTML": (b"\n<!DOCTYPE html><html><title>login</title></html>", "it is an HTML page, not JSON"),
    "the XML of a private bucket": (
        b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>',
        "it is XML that says AccessDenied: the bucket or the object is private, or the object does not exist",
    ),
    "other XML": (b"<?xml version='1.0'?><a/>", "it is XML, not JSON"),
    "other markup": (b"<svg/>", "it is HTML or XML, not JSON"),
    "not JSON": (b"keys", "it is not JSON: Expecting value (line 1, column 1)"),
    "half of a document": (b'{"keys": [', "it is not JSON: Expecting value (line 1, column 11)"),
    "no text": (b"\xff\xfe", "it is not text in UTF-8"),
    "not a number": (b'{"keys": NaN}', "it is not JSON: NaN is no JSON value"),
    "a number that is too large": (b'{"keys": [], "a": -1e999}', "it has a number that is too large"),
    "a number of 5,000 digits": (b'{"a": ' + b"9" * 5000 + b"}", "it has a number with too many digits"),
    "white space": (b" \n", "it is empty, except for white space"),
    "HTML in another encoding": (b"<html>\xe4</html>", "it is an HTML page, not JSON"),
    "a list": (b"[]", "it is not a JSON object but a list"),
    "null": (b"null", "it is not a JSON object but null"),
    "text": (b'"keys"', "it is not a JSON object but a string"),
    "no keys": (b"{}", 'it is a JSON object without a list "keys", so it is no JWKS'),
    "keys that are no list": (b'{"keys": {}}', 'it is a JSON object without a list "keys", so it is no JWKS'),
    "a discovery document": (
        b'{"issuer": "https://a", "jwks_uri": "https://a/b"}',
        'it is a JSON object without a list "keys", so it is no JWKS (it is a discovery document)',
    ),
    "an entry that is no object": (b'{"keys": ["a"]}', "keys[0] is not a JSON object"),
    "a kid that is no text": (document({**RSA, "kid": 7}), "keys[0]: its kid is not text"),
    "the same kid twice": (
        document(RSA, EC, {**EC, "kid": RSA["kid"]}),
        f"keys[0] and keys[2] have the same kid {RSA['kid']!r}",
    ),
    "deep nesting": (b'{"keys": ' + b"[" * 30 + b"]" * 30 + b"}", "it is nested too deeply: more than 20 levels"),
    "very deep nesting": (b"[" * 200_000, "it is nested too deeply: more than 20 levels"),
}


@pytest.mark.parametrize(("body", "problem"), NO_JWKS.values(), ids=NO_JWKS)
def test_what_is_no_jwks_is_named_in_one_line(body: bytes, problem: str) -> None:
    with pytest.raises(JwksError) as raised:
        read_jwks(body)

    assert str(raised.value) == problem


@given(st.binary(max_size=200))
def test_no_bytes_lead_to_another_error(body: bytes) -> None:
    problem = ""
    try:
        read_jwks(body)
    except JwksError as error:
        problem = str(error)
    assert "\n" not in problem


MEMBERS = st.dictionaries(
    st.sampled_from(["kty", "kid", "alg", "use", "n", "e", "crv", "x", "y", "d", "key_ops"]),
    st.one_of(
        st.sampled_from([*RSA.values(), *EC.values(), "P-521", ""]), st.none(), st.integers(), st.lists(st.text())
    ),
)


@given(MEMBERS)
def test_no_key_leads_to_another_error_and_only_real_keys_are_usable(members: dict[str, Any]) -> None:
    try:
        (jwk,) = read_jwks(document(members))
    except JwksError:
        return
    assert bool(jwk.unusable_reason) or (jwk.public_key is not None and jwk.kid and jwk.algorithms)
