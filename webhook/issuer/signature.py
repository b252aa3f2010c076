"""Verifies a token's signature with the published keys, by PyJWT, with the algorithms of STS only."""

from collections.abc import Iterable

import jwt

from webhook.issuer.jwks import Jwk
from webhook.issuer.public_key import algorithms_of
from webhook.issuer.token import Token


def key_of(token: Token, keys: Iterable[Jwk]) -> Jwk | None:
    """Returns the published key with the token's kid."""
    return next((key for key in keys if token.kid and key.kid == token.kid), None)


def signature_problem(token: Token, key: Jwk) -> str:
    """Returns why the signature is not that of the key; "" if it is.

    Only the key decides which algorithms may be used, never the token: an HMAC with the public key as its secret is no
    signature.
    """
    if key.public_key is None or key.unusable_reason:
        return f"STS cannot use the key: {key.unusable_reason}"
    allowed = [name for name in algorithms_of(key.public_key) if not key.alg or name == key.alg]
    if token.alg not in allowed:
        return f"the token is signed with {token.alg}, and its key serves {' or '.join(allowed)}"
    try:
        # The claims have checks of their own.
        jwt.PyJWS().decode(token.text, key.public_key, algorithms=allowed)
    except jwt.InvalidTokenError:
        return "the key did not sign this token"
    return ""
