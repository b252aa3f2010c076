"""Reading tokens: what they say, and one line without any of the token for what cannot be read."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.issuer.keys import CLAIMS, NOW, segment, signed, unsigned
from webhook.issuer.token import ALGORITHMS, TokenError, read_token

RS256 = {"alg": "RS256"}
WHOLE = signed()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_says_who_it_is_for_and_until_when(algorithm: str) -> None:
    token = read_token(f"\n{signed(algorithm=algorithm)} \n")

    assert (token.alg, token.kid) == (algorithm, "one")
    assert (token.iss, token.sub) == ("https://issuer.example", "system:serviceaccount:apps:web")
    assert token.aud == ("sts.amazonaws.com",)
    assert (token.nbf, token.iat, token.exp) == (
        NOW.replace(minute=59, hour=11),
        NOW.replace(minute=59, hour=11),
        NOW.replace(hour=13),
    )


def test_claims_that_a_token_lacks_are_none() -> None:
    token = read_token(signed({}, kid=None))

    assert (token.kid, token.iss, token.sub, token.aud, token.exp, token.iat, token.nbf) == (None,) * 3 + ((),) + (
        None,
    ) * 3


def test_one_audience_may_be_a_string_and_times_may_have_fractions() -> None:
    token = read_token(signed({"aud": "one", "exp": 1.5}))

    assert token.aud == ("one",)
    assert token.exp == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)


def test_a_repr_shows_neither_the_text_nor_the_claims() -> None:
    assert repr(read_token(WHOLE)) == "Token(header={'alg': 'RS256', 'kid': 'one', 'typ': 'JWT'})"


_STS = "STS accepts RS256, RS384, RS512, ES256, ES384, ES512"
_UNREADABLE = (
    "the token cannot be read: a part of it is not base64url, or no JSON object that a token may have; "
    "it is truncated, damaged or nested too deeply"
)
_NESTED = b"[" * 7000 + b"]" * 7000
UNREADABLE: dict[str, tuple[str, str]] = {
    "empty": (" \n", "the token is empty"),
    "too short": ("a.b", "the token has 3 characters; STS accepts 4 to 20,000"),
    "too long": ("a" * 20_001, "the token has more than 20,000 characters; STS accepts 4 to 20,000"),
    "no token at all": (
        "<html>not found</html>",
        "this is no token: it has characters other than letters, digits, '-', '_' and '.'",
    ),
    "one part": (
        WHOLE.split(".")[0],
        "the token has 1 of its 3 parts (header.claims.signature): it is truncated, or no token",
    ),
    "two parts": (
        WHOLE.rpartition(".")[0],
        "the token has 2 of its 3 parts (header.claims.signature): it is truncated, or no token",
    ),
    "five parts, an encrypted token": (
        "a.b.c.d.e",
        "this is no token: it has 5 parts, where a token has 3 (header.claims.signature)",
    ),
    "no signature": (WHOLE.rpartition(".")[0] + ".", "the token has no signature: it is truncated"),
    "half a signature": (
        WHOLE[:-98],
        (
            "the token's signature has 183 bytes; with RS256 it has at least 256: "
            "the token is truncated, or its RSA key has less than 2048 bits"
        ),
    ),
    "a signature that is no base64url": (WHOLE[:-1], _UNREADABLE),
    "half a signature of a curve": (
        unsigned({"alg": "ES256"}, signature=b"s" * 32),
        "the token's signature has 32 bytes; with ES256 it has 64: the token is truncated or damaged",
    ),
    "a header that is not JSON": (f"{segment(b'header')}.{segment({})}.c2ln", _UNREADABLE),
    "a header that is a list": (unsigned([]), _UNREADABLE),
    "a nested header": (unsigned(_NESTED), _UNREADABLE),
    "an extension that nobody knows": (unsigned({"alg": "RS256", "crit": ["x"]}), _UNREADABLE),
    "claims that are not JSON": (unsigned(RS256, b"claims"), _UNREADABLE),
    "claims that are not UTF-8": (unsigned(RS256, b'{"iss": "\xff"}'), _UNREADABLE),
    "claims that are a list": (unsigned(RS256, b"[]"), _UNREADABLE),
    "nested claims": (unsigned(RS256, b'{"a":' + _NESTED + b"}"), _UNREADABLE),
    "a number of 5000 digits": (unsigned(RS256, b'{"exp": ' + b"1" * 5000 + b"}"), _UNREADABLE),
    "alg: none": (
        unsigned({"alg": "none"}),
        f"the token says alg: none, so it has no signature that could be verified; {_STS}",
    ),
    "alg: none without a signature": (
        unsigned({"alg": "none"}, signature=b""),
        f"the token says alg: none, so it has no signature that could be verified; {_STS}",
    ),
    "alg: HS256": (
        unsigned({"alg": "HS256"}, signature=b"s" * 32),
        f"the token says alg: HS256, which anyone who has the key for verifying can forge; {_STS}",
    ),
    "alg: PS256": (unsigned({"alg": "PS256"}), f"the token says alg: PS256; {_STS}"),
    "no alg": (unsigned({}), f"the token's header has no alg; {_STS}"),
    "alg is a list": (unsigned({"alg": ["RS256"]}), f"the token's alg is not the name of an algorithm; {_STS}"),
    "alg is a whole text": (unsigned({"alg": "a" * 99}), f"the token's alg is not the name of an algorithm; {_STS}"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_not_readable_gets_one_line(case: str) -> None:
    text, line = UNREADABLE[case]

    with pytest.raises(TokenError) as raised:
        read_token(text)

    assert str(raised.value) == line


@pytest.mark.parametrize(
    ("claim", "value", "line"),
    [
        ("iss", 1, "the token's claim iss is not a string"),
        ("sub", ["a"], "the token's claim sub is not a string"),
        ("aud", {"a": 1}, "the token's claim aud is neither a string nor a list of strings"),
        ("aud", [1], "the token's claim aud is neither a string nor a list of strings"),
        ("exp", "tomorrow", "the token's claim exp is not a time, in seconds since 1970, as a number"),
        ("exp", True, "the token's claim exp is not a time, in seconds since 1970, as a number"),
        ("exp", None, "the token's claim exp is not a time, in seconds since 1970, as a number"),
        ("iat", -1, "the token's claim iat is not a time, in seconds since 1970, as a number"),
        ("nbf", 1e30, "the token's claim nbf is not a time, in seconds since 1970, as a number"),
        ("exp", float("nan"), "the token's claim exp is not a time, in seconds since 1970, as a number"),
    ],
)
def test_a_claim_of_the_wrong_type_is_named(claim: str, value: Any, line: str) -> None:
    with pytest.raises(TokenError) as raised:
        read_token(unsigned(RS256, {**CLAIMS, claim: value}))

    assert str(raised.value) == line
