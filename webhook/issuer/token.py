"""Reads service account tokens (RFC 7519) without verifying them, within the bounds that STS sets.

No error text has a part of the token, because whoever reads it could use the token.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from webhook.errors import WebhookError

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
"""What STS accepts. No HMAC: whoever knows the public key could sign with it."""

MIN_LENGTH: Final = 4
MAX_LENGTH: Final = 20_000
"""Characters that STS accepts as a token, both ends included."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ALPHABET: Final = re.compile(r"[A-Za-z0-9_.-]*", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9+-]{1,16}", re.ASCII)
# RFC 7518 section 3.4: R and S, each as long as the curve's order. RSA keys under 2048 bits are refused everywhere.
_SIGNATURE_BYTES: Final = {"ES256": 64, "ES384": 96, "ES512": 132}
_MIN_RSA_SIGNATURE_BYTES: Final = 256
_UNREADABLE: Final = (
    "the token cannot be read: a part of it is not base64url, or no JSON object that a token may have; "
    "it is truncated, damaged or nested too deeply"
)


class TokenError(WebhookError):
    """A text is not a token that STS would read. The text of the error says why, without any part of the token."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it was read; nothing in it is verified. Its repr shows neither the text nor the claims.

    The claims that have a property have the right type: `read_token` has checked them.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any] = field(repr=False)
    text: str = field(repr=False)

    @property
    def alg(self) -> str:
        """The signature's algorithm, one of `ALGORITHMS`."""
        return str(self.header["alg"])

    @property
    def kid(self) -> str | None:
        """The ID of the key that signed it."""
        return self.header.get("kid")

    @property
    def iss(self) -> str | None:
        """The issuer's URL."""
        return self.claims.get("iss")

    @property
    def sub(self) -> str | None:
        """The subject: `system:serviceaccount:NAMESPACE:NAME` in tokens of Kubernetes."""
        return self.claims.get("sub")

    @property
    def aud(self) -> tuple[str, ...]:
        """The audiences; empty if there is no such claim."""
        audience = self.claims.get("aud", ())
        return (audience,) if isinstance(audience, str) else tuple(audience)

    @property
    def exp(self) -> datetime | None:
        """When it expires, in UTC."""
        return self._time("exp")

    @property
    def iat(self) -> datetime | None:
        """When it was issued, in UTC."""
        return self._time("iat")

    @property
    def nbf(self) -> datetime | None:
        """When its life begins, in UTC."""
        return self._time("nbf")

    def _time(self, claim: str) -> datetime | None:
        seconds = self.claims.get(claim)
        return None if seconds is None else _EPOCH + timedelta(seconds=seconds)


def read_token(text: str) -> Token:
    """Reads a token; ignores white space around it. Verifies no signature and no time. Raises TokenError."""
    text = text.strip()
    if not text:
        raise TokenError("the token is empty")
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        said = f"more than {MAX_LENGTH:,}" if len(text) > MAX_LENGTH else len(text)
        raise TokenError(f"the token has {said} characters; STS accepts {MIN_LENGTH} to {MAX_LENGTH:,}")
    if not _ALPHABET.fullmatch(text):
        raise TokenError("this is no token: it has characters other than letters, digits, '-', '_' and '.'")
    parts = text.split(".")
    if len(parts) != 3:
        raise TokenError(
            f"the token has {len(parts)} of its 3 parts (header.claims.signature): it is truncated, or no token"
            if len(parts) < 3
            else f"this is no token: it has {len(parts)} parts, where a token has 3 (header.claims.signature)"
        )
    header = _header(text)
    if not parts[2]:
        raise TokenError("the token has no signature: it is truncated")
    try:
        decoded = jwt.decode_complete(text, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise TokenError(_UNREADABLE) from error
    claims = decoded["payload"]
    _check_claims(claims)
    _check_signature_length(header["alg"], len(decoded["signature"]))
    return Token(header, claims, text)


def _header(text: str) -> dict[str, Any]:
    """Returns the header of a token whose `alg` and `kid` can be used. Raises TokenError."""
    try:
        # PyJWT raises TypeError for a header that no token may have, such as an unhashable `crit`.
        header = jwt.get_unverified_header(text)
    except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError) as error:
        raise TokenError(_UNREADABLE) from error
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise TokenError(f"{_said_algorithm(algorithm)}; STS accepts {', '.join(ALGORITHMS)}")
    if not isinstance(header.get("kid", ""), str):
        raise TokenError("the token's kid is not a string")
    return header


def _said_algorithm(algorithm: object) -> str:
    if algorithm is None:
        return "the token's header has no alg"
    if not isinstance(algorithm, str) or not _NAME.fullmatch(algorithm):
        return "the token's alg is not the name of an algorithm"
    if algorithm.lower() == "none":
        return "the token says alg: none, so it has no signature that could be verified"
    if algorithm.startswith("HS"):
        return f"the token says alg: {algorithm}, which anyone who has the key for verifying can forge"
    return f"the token says alg: {algorithm}"


def _check_claims(claims: Mapping[str, Any]) -> None:
    for name in ("iss", "sub"):
        if not isinstance(claims.get(name, ""), str):
            raise TokenError(f"the token's claim {name} is not a string")
    audience = claims.get("aud", "")
    if not isinstance(audience, str) and not (
        isinstance(audience, list) and all(isinstance(member, str) for member in audience)
    ):
        raise TokenError("the token's claim aud is neither a string nor a list of strings")
    for name in ("exp", "iat", "nbf"):
        if name in claims and not _is_time(claims[name]):
            raise TokenError(f"the token's claim {name} is not a time, in seconds since 1970, as a number")


def _is_time(seconds: object) -> bool:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return False
    # The end of the year 9999, the last that datetime can express.
    return 0 <= seconds < 253_402_300_800 and math.isfinite(seconds)


def _check_signature_length(algorithm: str, length: int) -> None:
    expected = _SIGNATURE_BYTES.get(algorithm)
    if expected is None and length < _MIN_RSA_SIGNATURE_BYTES:
        raise TokenError(
            f"the token's signature has {length} bytes; with {algorithm} it has at least {_MIN_RSA_SIGNATURE_BYTES}: "
            "the token is truncated, or its RSA key has less than 2048 bits"
        )
    if expected is not None and length != expected:
        raise TokenError(
            f"the token's signature has {length} bytes; with {algorithm} it has {expected}: "
            "the token is truncated or damaged"
        )
