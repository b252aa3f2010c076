"""What STS requires of the keys that an issuer publishes."""

from collections.abc import Sequence
from typing import Final

from webhook.issuer.check import Check, Requirement, all_skipped, listed, shown
from webhook.issuer.jwks import Jwk, JwksError, read_jwks

MAX_KEYS_OF_A_TYPE: Final = 100
"""RSA keys, and also EC keys, that STS accepts in one JWKS."""

_JWKS: Final = Requirement("jwks", "The document is a JWKS")
_COUNT: Final = Requirement("key-count", f"It has 1 to {MAX_KEYS_OF_A_TYPE} keys of each type")
_PRIVATE: Final = Requirement("private-keys", "It has no private key")
_USABLE: Final = Requirement("keys", "STS can use each key (type, size, alg, kid)")
_ALGORITHMS: Final = Requirement("algorithms", "The discovery document announces the keys' algorithms")
_ALL: Final = (_JWKS, _COUNT, _PRIVATE, _USABLE, _ALGORITHMS)


def keys_of(body: bytes) -> tuple[Jwk, ...]:
    """Returns the keys in a JWKS; none if it cannot be read."""
    try:
        return read_jwks(body)
    except JwksError:
        return ()


def jwks_checks(body: bytes | None, announced: Sequence[str]) -> list[Check]:
    """Checks a JWKS, None if it could not be read; `announced` are the algorithms in the discovery document."""
    if body is None:
        return all_skipped(_ALL, "the JWKS could not be read")
    try:
        keys = read_jwks(body)
    except JwksError as error:
        failed = _JWKS.failed(str(error), "Publish the JWKS that 'issuer render' writes.")
        return [failed, *all_skipped(_ALL[1:], "it is not a JWKS")]
    checks = [_JWKS.ok(f"{len(keys)} {'key' if len(keys) == 1 else 'keys'}"), _count(keys)]
    if not keys:
        return [*checks, *all_skipped(_ALL[2:], "there is no key")]
    return [*checks, _private(keys), _usable(keys), _algorithms(keys, announced)]


def _count(keys: Sequence[Jwk]) -> Check:
    if not keys:
        return _COUNT.failed("it is empty", "Publish the public keys of all API servers: 'issuer render --live'.")
    for kty in ("RSA", "EC"):
        count = sum(key.kty == kty for key in keys)
        if count > MAX_KEYS_OF_A_TYPE:
            return _COUNT.failed(f"it has {count} {kty} keys", "Drop the keys whose last token has expired.")
    return _COUNT.ok(", ".join(f"{sum(key.kty == kty for key in keys)} {kty}" for kty in ("RSA", "EC")))


def _private(keys: Sequence[Jwk]) -> Check:
    private = [_name(key, number) for number, key in enumerate(keys) if key.has_private_members]
    if private:
        return _PRIVATE.failed(
            f"{', '.join(private[:5])}: anyone can sign tokens with it, so anyone can assume your roles",
            "Remove it now, give the API servers a new signing key, and never publish the old one again.",
        )
    return _PRIVATE.ok("none")


def _usable(keys: Sequence[Jwk]) -> Check:
    unusable = [
        f"{_name(key, number)}: {key.unusable_reason}"
        for number, key in enumerate(keys)
        if key.unusable_reason and not key.has_private_members
    ]
    if unusable:
        more = f"; and {len(unusable) - 3} more" if len(unusable) > 3 else ""
        return _USABLE.failed("; ".join(unusable[:3]) + more, "Publish the JWKS that 'issuer render' writes.")
    usable = [key.kid for key in keys if not key.unusable_reason]
    return _USABLE.ok(f"kid {listed(usable)}") if usable else _USABLE.skipped("there are only private keys")


def _algorithms(keys: Sequence[Jwk], announced: Sequence[str]) -> Check:
    if not announced:
        return _ALGORITHMS.skipped("the discovery document announces none")
    used = dict.fromkeys(name for key in keys if not key.unusable_reason for name in key.algorithms)
    missing = [name for name in used if name not in announced]
    if missing:
        return _ALGORITHMS.failed(
            f"it announces {listed(announced)}, and not {listed(missing)}",
            "Publish both documents of 'issuer render' together.",
        )
    return _ALGORITHMS.ok(", ".join(used)) if used else _ALGORITHMS.skipped("STS can use no key")


def _name(key: Jwk, number: int) -> str:
    return f"key {shown(key.kid)}" if key.kid else f"keys[{number}]"
