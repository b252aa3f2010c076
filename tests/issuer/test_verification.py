"""Verifying an issuer: what STS and IAM would refuse, and nothing else."""

from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any

import pytest

from tests.issuer.keys import rsa_key
from tests.issuer.published import (
    ISSUER,
    JWKS_URI,
    RSA_JWK,
    Published,
    ec_jwk,
    failures,
    key,
    problem,
    token,
    with_discovery,
    with_keys,
)
from webhook.issuer.jwks import jwk_of
from webhook.issuer.verification import PresentedToken

SKIPPED = "skipped"


def outcomes(published: Published) -> dict[str, str]:
    return {name: check.outcome for name, check in published.checks().items()}


def test_a_right_issuer_meets_every_requirement() -> None:
    assert outcomes(Published()) == dict.fromkeys(
        (
            *("https", "query", "length", "port", "host"),
            *("discovery-connection", "discovery-tls", "discovery-answer", "discovery-redirect", "discovery-size"),
            *("discovery-access", "discovery-json", "discovery-type", "issuer", "slash", "members", "jwks-uri"),
            *("jwks-connection", "jwks-tls", "jwks-answer", "jwks-redirect", "jwks-size"),
            *("jwks-access", "jwks-json", "jwks-type", "jwks", "key-count", "private-keys", "keys", "algorithms"),
            *("token", "claims", "iss", "kid", "signature", "aud", "exp"),
        ),
        "ok",
    )


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512"])
def test_keys_of_curves_verify_tokens(algorithm: str) -> None:
    jwk = ec_jwk(algorithm)
    published = with_discovery(id_token_signing_alg_values_supported=[algorithm])
    published = replace(published, keys={"keys": [jwk]}, token=PresentedToken(token(algorithm, kid=jwk["kid"])))

    assert set(outcomes(published).values()) == {"ok"}


def test_an_issuer_may_have_a_path_and_a_bucket_without_dots() -> None:
    issuer = "https://my-oidc.s3.eu-west-1.amazonaws.com/cluster-1"
    published = with_discovery(issuer=issuer)
    published = replace(published, issuer=issuer, token=PresentedToken(token(iss=issuer)))

    assert set(outcomes(published).values()) == {"ok"}
    assert published.checks()["bucket"].found == "my-oidc"


def test_an_issuer_that_ends_with_a_slash_everywhere_does_not_drift() -> None:
    published = with_discovery(issuer=f"{ISSUER}/")
    published = replace(published, issuer=f"{ISSUER}/", token=PresentedToken(token(iss=f"{ISSUER}/")))

    assert failures(published) == {}
    assert published.checks()["slash"].found == "the URL ends with a slash: so must that of the IAM provider"


def test_without_a_token_only_the_issuer_is_verified() -> None:
    checks = Published(token=None).checks()

    assert [name for name, check in checks.items() if check.outcome != "ok"] == ["token"]
    assert checks["token"].found == "none was given: use --token FILE or --live"


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("http://issuer.example", {"https": "it begins with 'http://'"}),
        ("issuer.example", {"https": "'issuer.example' is not a URL", "host": "the URL has no valid host name"}),
        ("HTTPS://issuer.example", {"https": "it begins with 'HTTPS://'"}),
        ("https://issuer.example?a=b", {"query": "it has a query"}),
        ("https://issuer.example?", {"query": "it has a query"}),
        ("https://user@issuer.example#a", {"query": "it has a fragment and a user"}),
        ("https://issuer.example/{a}", {"query": "its path has characters that a URL cannot have"}),
        ("https://issuer.example:443", {"port": "it has the port 443"}),
        ("https://issuer.example:", {"port": "it has the port 443"}),
        (
            "https://issuer.example:99999",
            {"port": "it has a port that is no number from 1 to 65535"},
        ),
        (f"https://issuer.example/{'a' * 233}", {"length": "it has 256 characters"}),
        (
            "https://kubernetes.default.svc",
            {"host": "kubernetes.default.svc is a name inside of a network, which AWS cannot resolve"},
        ),
        (
            "https://kubernetes.default.svc.cluster.local",
            {"host": "kubernetes.default.svc.cluster.local is a name inside of a network, which AWS cannot resolve"},
        ),
        ("https://localhost", {"host": "localhost is a name inside of a network, which AWS cannot resolve"}),
        ("https://10.0.0.1", {"host": "10.0.0.1 is an address inside of a network, which AWS cannot reach"}),
        ("https://[fd00::1]", {"host": "fd00::1 is an address inside of a network, which AWS cannot reach"}),
        ("https://a..b", {"host": "the URL has no valid host name"}),
        (
            "https://my.bucket.s3.eu-west-1.amazonaws.com",
            {"bucket": "the bucket my.bucket has a dot in its name, so the certificate of S3 does not cover its host"},
        ),
        (
            "https://my.bucket.s3.cn-north-1.amazonaws.com.cn",
            {"bucket": "the bucket my.bucket has a dot in its name, so the certificate of S3 does not cover its host"},
        ),
    ],
)
def test_a_url_that_iam_or_aws_cannot_use(issuer: str, expected: dict[str, str]) -> None:
    own = {"https", "query", "length", "port", "host", "bucket"}

    assert {name: found for name, found in failures(Published(issuer=issuer)).items() if name in own} == expected


def test_a_url_of_255_characters_is_not_too_long() -> None:
    assert "length" not in failures(Published(issuer=f"https://issuer.example/{'a' * 232}"))


DISCOVERIES: dict[str, tuple[Published, dict[str, str]]] = {
    "another issuer": (
        with_discovery(issuer="https://other.example"),
        {"issuer": "it says 'https://other.example', not 'https://issuer.example'"},
    ),
    "capitals in the issuer": (
        with_discovery(issuer="https://Issuer.example"),
        {"issuer": "it says 'https://Issuer.example', not 'https://issuer.example'"},
    ),
    "a slash at the end": (
        with_discovery(issuer=f"{ISSUER}/"),
        {"slash": "the document says 'https://issuer.example/', and the URL is 'https://issuer.example'"},
    ),
    "no issuer": (with_discovery(issuer=None), {"issuer": "it has no issuer, or not as text"}),
    "an issuer that is a list": (with_discovery(issuer=[ISSUER]), {"issuer": "it has no issuer, or not as text"}),
    "no jwks_uri": (with_discovery(jwks_uri=None), {"jwks-uri": "it has no jwks_uri, or not as text"}),
    "a jwks_uri of plain HTTP": (
        with_discovery(jwks_uri="http://issuer.example/keys"),
        {"jwks-uri": "'http://issuer.example/keys' is not an https URL"},
    ),
    "a jwks_uri of the API server": (
        with_discovery(jwks_uri="https://10.0.0.1:6443/openid/v1/jwks"),
        {
            "jwks-uri": "'https://10.0.0.1:6443/openid/v1/jwks': 10.0.0.1 is an address inside of a network, which AWS "
            "cannot reach"
        },
    ),
    "members missing": (
        with_discovery(response_types_supported=None, subject_types_supported=["pairwise"]),
        {"members": "response_types_supported is missing, or no list; subject_types_supported lacks public"},
    ),
    "no algorithms": (
        with_discovery(id_token_signing_alg_values_supported=[]),
        {"members": "id_token_signing_alg_values_supported is empty"},
    ),
    "other algorithms than those of the keys": (
        with_discovery(id_token_signing_alg_values_supported=["ES256", 1]),
        {"algorithms": "it announces 'ES256', and not 'RS256'"},
    ),
}


@pytest.mark.parametrize("case", DISCOVERIES)
def test_a_discovery_document_that_sts_cannot_use(case: str) -> None:
    published, expected = DISCOVERIES[case]

    assert failures(published) == expected


KEY_SETS: dict[str, tuple[Published, dict[str, str]]] = {
    "no key": (with_keys(), {"key-count": "it is empty"}),
    "101 keys": (
        with_keys(key(), *({**ec_jwk("ES256"), "kid": str(number)} for number in range(101))),
        {
            "key-count": "it has 101 EC keys",
            "algorithms": "it announces 'RS256', and not 'ES256'",
        },
    ),
    "a private key": (
        with_keys(key(), key(kid="two", d="AQ")),
        {"private-keys": "key 'two': anyone can sign tokens with it, so anyone can assume your roles"},
    ),
    "another key of a use that is not signing": (
        with_keys(key(), key(kid="two", use="enc")),
        {"keys": "key 'two': its use is 'enc', not 'sig'"},
    ),
    "a key of a type that STS does not know": (
        with_keys(key(), {"kty": "OKP", "kid": "two", "crv": "Ed25519", "x": "AQ"}),
        {"keys": "key 'two': STS cannot use a key of type 'OKP': it must be RSA or EC"},
    ),
    "a small RSA key": (
        with_keys(key(), key(kid="two", n=urlsafe_b64encode(b"\xff" * 128).rstrip(b"=").decode())),
        {"keys": "key 'two': its RSA key has 1,024 bits: STS wants at least 2,048"},
    ),
    "a key without a kid": (
        with_keys(key(kid=None), key()),
        {"keys": "keys[0]: it has no kid, so STS cannot find it"},
    ),
    "a JWKS that is a discovery document": (
        Published(keys={"jwks_uri": JWKS_URI}),
        {"jwks": 'it is a JSON object without a list "keys", so it is no JWKS (it is a discovery document)'},
    ),
    "two keys with one kid": (
        with_keys(key(), key()),
        {"jwks": f"keys[0] and keys[1] have the same kid {RSA_JWK.kid!r}"},
    ),
}


@pytest.mark.parametrize("case", KEY_SETS)
def test_keys_that_sts_cannot_use(case: str) -> None:
    published, expected = KEY_SETS[case]

    assert failures(published) == expected


def test_a_key_without_an_alg_serves_each_algorithm_of_its_type() -> None:
    published = replace(with_keys(key(alg=None)), token=PresentedToken(token("RS512")))

    assert failures(published) == {}


def test_a_key_that_sts_cannot_use_verifies_nothing() -> None:
    published = with_keys(key(use="enc"), {**jwk_of(rsa_key("other").public_key()).members})

    assert failures(published) == {
        "keys": f"key {RSA_JWK.kid!r}: its use is 'enc', not 'sig'",
        "signature": "STS cannot use the key: its use is 'enc', not 'sig'",
    }


def test_after_a_failed_fetch_the_rest_is_skipped_with_its_reason() -> None:
    checks = Published(discovery_answer=problem("tls"), keys=None).checks()

    reasons = {check.found for check in checks.values() if check.outcome == SKIPPED}
    assert (checks["discovery-connection"].outcome, checks["discovery-tls"].outcome) == ("ok", "failed")
    assert {name for name, check in checks.items() if check.outcome == "ok"} == {
        *("https", "query", "length", "port", "host", "discovery-connection"),
        *("token", "claims", "iss", "aud", "exp"),
    }
    assert reasons == {
        "it could not be fetched",
        "the discovery document could not be read",
        "there is no jwks_uri that can be fetched",
        "the JWKS could not be read",
        "there are no keys that could be read",
    }


_DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"
ANSWERS: dict[str, tuple[bytes, dict[str, Any], str, str]] = {
    "0 bytes": (b"", {}, "json", "it is empty (0 bytes)"),
    "HTML": (b"<!doctype html><html>", {}, "json", "it is an HTML page, not JSON"),
    "a list": (b"[]", {}, "json", "it is not a JSON object but a list"),
    "nesting": (
        b'{"a":' + b"[" * 9999 + b"]" * 9999 + b"}",
        {},
        "json",
        "it is nested too deeply: more than 20 levels",
    ),
    "a private bucket": (
        _DENIED,
        {"status": 403},
        "access",
        "HTTP 403; it is XML that says AccessDenied: the bucket or the object is private, or the object does not exist",
    ),
    "a bucket without the object": (
        b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>",
        {"status": 404},
        "access",
        "HTTP 404; it is XML, not JSON",
    ),
    "an error": (b"", {"status": 500}, "access", "HTTP 500"),
}


@pytest.mark.parametrize("case", ANSWERS)
@pytest.mark.parametrize("prefix", ["discovery", "jwks"])
def test_an_answer_is_named_for_what_it_is(case: str, prefix: str) -> None:
    body, answer, check, found = ANSWERS[case]
    published = (
        Published(discovery=body, discovery_answer=answer, keys=None)
        if prefix == "discovery"
        else Published(keys=body, keys_answer=answer)
    )
    url = f"{ISSUER}/.well-known/openid-configuration" if prefix == "discovery" else JWKS_URI

    expected = {f"{prefix}-{check}": f"{url}: {found}"}
    assert failures(published) == expected


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "application/jwk-set+json", "Application/JSON"]
)
def test_types_of_json(content_type: str) -> None:
    assert failures(Published(keys_answer={"content_type": content_type})) == {}


@pytest.mark.parametrize(
    ("content_type", "found"),
    [("binary/octet-stream", "it is 'binary/octet-stream'"), ("text/html", "it is 'text/html'"), ("", "there is none")],
)
def test_other_types(content_type: str, found: str) -> None:
    assert failures(Published(discovery_answer={"content_type": content_type})) == {"discovery-type": found}
