"""What STS requires of a token, given the issuer's URL and its published keys."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from webhook.issuer.check import Check, Requirement, all_skipped, listed, shown
from webhook.issuer.discovery_requirements import differ_by_slash
from webhook.issuer.jwks import Jwk
from webhook.issuer.signature import key_of, signature_problem
from webhook.issuer.token import Token

GRACE: Final = timedelta(minutes=5)
"""How long STS accepts a token after its `exp`."""

_TOKEN: Final = Requirement("token", "STS can read the token")
_CLAIMS: Final = Requirement("claims", "The token has the required claims")
_ISS: Final = Requirement("iss", "The token's iss equals the URL to the letter")
_KID: Final = Requirement("kid", "The token's kid is among the keys")
_SIGNATURE: Final = Requirement("signature", "The key signed the token")
_AUD: Final = Requirement("aud", "The token's aud is a client ID of the provider")
_EXP: Final = Requirement("exp", "The token is valid now")
_AFTER_READING: Final = (_CLAIMS, _ISS, _KID, _SIGNATURE, _AUD, _EXP)


def unreadable_token(reason: str, fix: str = "Give a whole service account token.") -> list[Check]:
    """Returns the checks for a token that could not be read, or not be had."""
    return [_TOKEN.failed(reason, fix), *all_skipped(_AFTER_READING, "there is no token that could be read")]


def no_token() -> list[Check]:
    """Returns the checks if no token was given."""
    return [_TOKEN.skipped("none was given: use --token FILE or --live")]


def token_checks(
    token: Token, issuer: str, keys: Sequence[Jwk] | None, client_ids: Sequence[str], now: datetime
) -> list[Check]:
    """Checks a token that was read; `keys` is None if the JWKS could not be read."""
    return [
        _TOKEN.ok(f"{token.alg}, {len(token.text):,} characters, of {shown(token.sub or '')}"),
        _claims(token),
        _iss(token, issuer),
        *_key_checks(token, issuer, keys),
        _aud(token, client_ids),
        _times(token, now),
    ]


def _claims(token: Token) -> Check:
    missing = [name for name in ("iss", "sub", "aud", "iat", "exp") if not token.claims.get(name)]
    if missing:
        return _CLAIMS.failed(f"it lacks {', '.join(missing)}", "Use a token of a ServiceAccount, from TokenRequest.")
    return _CLAIMS.ok("iss, sub, aud, iat, exp")


def _iss(token: Token, issuer: str) -> Check:
    if token.iss is None:
        return _ISS.skipped("the token has no iss")
    if differ_by_slash(token.iss, issuer):
        if issuer.endswith("/"):
            return _ISS.failed(
                f"they differ in the slash at the end: the token says {shown(token.iss)}, without one",
                "Verify the URL without the slash, as the token says; the document and IAM need it without one too.",
            )
        return _ISS.failed(
            f"they differ in the slash at the end: the token says {shown(token.iss)}",
            "Write the issuer without a slash at its end: in --service-account-issuer, in the document, and in IAM.",
        )
    if token.iss != issuer:
        return _ISS.failed(
            f"the token is of another issuer: {shown(token.iss)}",
            "Set --service-account-issuer of all API servers to the URL, or verify the URL that the token names.",
        )
    return _ISS.ok(token.iss)


def _key_checks(token: Token, issuer: str, keys: Sequence[Jwk] | None) -> list[Check]:
    """Returns the checks of the kid and the signature."""
    if not keys:
        return all_skipped((_KID, _SIGNATURE), "there are no keys that could be read")
    key = key_of(token, keys)
    skipped = _SIGNATURE.skipped("its key is not there")
    if not token.kid:
        return [_KID.failed("it has no kid", "Use a token of the API server: it writes the kid into each."), skipped]
    if key is None:
        said = f"the kid {shown(token.kid)} is none of {listed(key.kid for key in keys)}"
        is_foreign = token.iss is not None and token.iss.rstrip("/") != issuer.rstrip("/")
        fix = (
            "Verify a token of this issuer."
            if is_foreign
            else "Publish the key that the API server signs with before it signs: 'issuer merge' keeps old and new."
        )
        return [_KID.failed(said, fix), skipped]
    if reason := signature_problem(token, key):
        failed = _SIGNATURE.failed(
            reason,
            "Publish the API servers' own keys ('issuer render --live'); the token may also be forged or damaged.",
        )
        return [_KID.ok(key.kid), failed]
    return [_KID.ok(key.kid), _SIGNATURE.ok(token.alg)]


def _aud(token: Token, client_ids: Sequence[str]) -> Check:
    if not token.aud:
        return _AUD.skipped("the token has no aud")
    if not set(client_ids) & set(token.aud):
        return _AUD.failed(
            f"it has {listed(token.aud)}, and not {listed(client_ids)}",
            "Request the token for that audience, or add the token's to the client IDs in IAM and to --audience.",
        )
    return _AUD.ok(listed(token.aud))


def _times(token: Token, now: datetime) -> Check:
    if token.nbf is not None and token.nbf > now + GRACE:
        return _EXP.failed(
            f"it is valid from {_written(token.nbf)}, and it is now {_written(now)}",
            "Set the clocks of this machine and of the API servers.",
        )
    if token.exp is None:
        return _EXP.skipped("the token has no exp")
    if now >= token.exp + GRACE:
        return _EXP.failed(
            f"it expired at {_written(token.exp)}, and it is now {_written(now)}",
            "Use a new token, and check the clocks. In a pod, an SDK that reads the file again is needed.",
        )
    if now >= token.exp:
        return _EXP.ok(f"it expired at {_written(token.exp)}, which STS forgives for five minutes")
    return _EXP.ok(f"until {_written(token.exp)}")


def _written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
