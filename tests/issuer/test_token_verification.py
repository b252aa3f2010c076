"""Verifying a token of a right issuer: what STS would refuse, and nothing else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.issuer.keys import CLAIMS, NOW, ec_key, rsa_key, segment, unsigned
from tests.issuer.published import (
    ISSUER,
    RSA_JWK,
    TOKEN,
    Published,
    failures,
    token,
    with_token,
)
from webhook.issuer.verification import PresentedToken

SKIPPED = "skipped"


def hmac_with_the_public_key(header: dict[str, Any]) -> str:
    """Returns a token signed by HMAC, with the published key (PEM) as the secret: the attack on careless verifiers."""
    pem = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing_input = f"{segment(header)}.{segment(dict(CLAIMS))}"
    algorithm = jwt.get_algorithm_by_name("HS256")
    # PyJWT refuses a PEM as a secret when it prepares a key; an attacker does not.
    return f"{signing_input}.{segment(algorithm.sign(signing_input.encode(), pem))}"


_FORGED = "the key did not sign this token"
_STS = "STS accepts RS256, RS384, RS512, ES256, ES384, ES512"
_HEADER = {"alg": "RS256", "kid": RSA_JWK.kid}
TOKENS: dict[str, tuple[Published, dict[str, str]]] = {
    "of another issuer": (
        with_token(token(iss="https://other.example", kid="their key")),
        {
            "iss": "the token is of another issuer: 'https://other.example'",
            "kid": f"the kid 'their key' is none of {RSA_JWK.kid!r}",
        },
    ),
    "with a slash at the issuer's end": (
        with_token(token(iss=f"{ISSUER}/")),
        {"iss": "they differ in the slash at the end: the token says 'https://issuer.example/'"},
    ),
    "of a key that is not published yet": (
        with_token(token(kid="new", key=rsa_key("new"))),
        {"kid": f"the kid 'new' is none of {RSA_JWK.kid!r}"},
    ),
    "without a kid": (with_token(token(kid=None)), {"kid": "it has no kid"}),
    "signed by another key": (with_token(token(key=rsa_key("other"))), {"signature": _FORGED}),
    "with other claims than those that were signed": (
        with_token(f"{TOKEN.split('.')[0]}.{segment({**CLAIMS, 'sub': 'x'})}.{TOKEN.split('.')[2]}"),
        {"signature": _FORGED},
    ),
    "without a signature that fits": (with_token(unsigned(_HEADER)), {"signature": _FORGED}),
    "signed with another algorithm than the key's": (
        with_token(token("RS512")),
        {"signature": "the token is signed with RS512, and its key serves RS256"},
    ),
    "signed with a curve, with the kid of an RSA key": (
        with_token(token("ES256", key=ec_key("ES256"))),
        {"signature": "the token is signed with ES256, and its key serves RS256"},
    ),
    "HS256 with the public key as the secret": (
        with_token(hmac_with_the_public_key({**_HEADER, "alg": "HS256"})),
        {"token": f"the token says alg: HS256, which anyone who has the key for verifying can forge; {_STS}"},
    ),
    "HMAC with the public key as the secret, under the name of RS256": (
        with_token(hmac_with_the_public_key(_HEADER)),
        {
            "token": "the token's signature has 32 bytes; with RS256 it has at least 256: "
            "the token is truncated, or its RSA key has less than 2048 bits"
        },
    ),
    "alg: none": (
        with_token(unsigned({"alg": "none"}, signature=b"")),
        {"token": f"the token says alg: none, so it has no signature that could be verified; {_STS}"},
    ),
    "truncated": (
        with_token(TOKEN.rpartition(".")[0][:-4]),
        {"token": "the token has 2 of its 3 parts (header.claims.signature): it is truncated, or no token"},
    ),
    "for another audience": (
        with_token(token(aud=["vault", "api"])),
        {"aud": "it has 'vault', 'api', and not 'sts.amazonaws.com'"},
    ),
    "for sts, where the provider has another client ID": (
        with_token(TOKEN, audiences=("mine", "ours")),
        {"aud": "it has 'sts.amazonaws.com', and not 'mine', 'ours'"},
    ),
    "without an audience": (with_token(token(aud=None)), {"claims": "it lacks aud"}),
    "without any claim": (
        with_token(token(iss=None, sub=None, aud=None, iat=None, exp=None)),
        {"claims": "it lacks iss, sub, aud, iat, exp"},
    ),
    "expired for five minutes": (
        with_token(token(exp=int(NOW.timestamp()) - 300)),
        {"exp": "it expired at 2026-11-29T11:55:00Z, and it is now 2026-11-29T12:00:00Z"},
    ),
    "not valid yet": (
        with_token(token(nbf=int(NOW.timestamp()) + 3000)),
        {"exp": "it is valid from 2026-11-29T12:50:00Z, and it is now 2026-11-29T12:00:00Z"},
    ),
    "that could not be requested": (
        Published(token=PresentedToken(problem="the API server says no")),
        {"token": "the API server says no"},
    ),
}


@pytest.mark.parametrize("case", TOKENS)
def test_a_token_that_sts_refuses(case: str) -> None:
    published, expected = TOKENS[case]

    assert failures(published) == expected


def test_sts_forgives_a_token_that_expired_less_than_five_minutes_ago() -> None:
    late = replace(Published(), now=NOW + timedelta(hours=1, seconds=299))

    assert failures(late) == {}
    assert late.checks()["exp"].found == "it expired at 2026-11-29T13:00:00Z, which STS forgives for five minutes"


def test_the_fix_for_a_token_without_kid_is_another_token() -> None:
    fix = with_token(token(kid=None)).checks()["kid"].fix

    assert fix == "Use a token of the API server: it writes the kid into each."


def test_if_only_the_given_url_ends_with_a_slash_the_token_is_not_what_to_change() -> None:
    check = replace(Published(), issuer=f"{ISSUER}/").checks()["iss"]

    assert (check.outcome, check.found, check.fix) == (
        "failed",
        f"they differ in the slash at the end: the token says '{ISSUER}', without one",
        "Verify the URL without the slash, as the token says; the document and IAM need it without one too.",
    )


def test_one_of_several_client_ids_is_enough() -> None:
    assert failures(with_token(token(aud=["vault", "ours"]), audiences=("mine", "ours"))) == {}


def test_no_check_contains_a_part_of_the_token() -> None:
    for text in (TOKEN, TOKEN[:-8], hmac_with_the_public_key(_HEADER)):
        said = repr(with_token(text).checks()) + repr(with_token(text).token).replace(repr(text), "")
        assert not any(part in said for part in text.split("."))
