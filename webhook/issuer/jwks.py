"""JSON Web Key Sets (RFC 7517): reads them, judges each key as STS does, and writes them.

PyJWT turns the members of a key into a key and back. STS accepts signatures RS256 to RS512 and ES256 to ES512, of RSA
keys with at least 2,048 bits and of the curves P-256, P-384 and P-521.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from webhook.issuer.json_object import DocumentError, read_object
from webhook.issuer.public_key import MIN_RSA_BITS, PublicKey, algorithms_of, kid_of

__all__ = ["Jwk", "JwksError", "PublicKey", "jwk_of", "jwks_document", "kid_of", "read_jwks"]

PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members that must never be published (RFC 7518, sections 6.2.2, 6.3.2 and 6.4)."""

_KEY_MEMBERS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y")}
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")
_MAX_MEMBER: Final = 4096
"""Characters of a number in a key: more than 16,384 bits, which no library reads."""

# The order in which kube-apiserver writes the members.
_ORDER: Final = ("use", "kty", "kid", "crv", "alg", "n", "e", "x", "y")


class JwksError(DocumentError):
    """A document that is not a JWKS as a whole, in one line."""


@dataclass(frozen=True)
class Jwk:
    """One key of a JWKS.

    `kid`, `kty`, `alg` and `use` are "" if the key lacks them. `members` is the whole JSON object. `public_key` is None
    if the members make no RSA key or key of a known curve. `unusable_reason` says why STS cannot use the key, or is "".
    """

    kid: str
    kty: str
    alg: str
    use: str
    members: Mapping[str, Any]
    public_key: PublicKey | None
    unusable_reason: str

    @property
    def has_private_members(self) -> bool:
        """Whether the key contains a private key or a secret."""
        return not PRIVATE_MEMBERS.isdisjoint(self.members)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The signature algorithms that the key serves: its `alg`, or if it has none, those of its type and curve."""
        if self.public_key is None:
            return ()
        possible = algorithms_of(self.public_key)
        return tuple(name for name in possible if name == self.alg) if self.alg else possible[:1]


def jwk_of(public_key: PublicKey) -> Jwk:
    """Returns the JWK that kube-apiserver publishes for a key.

    Raises JwksError if STS cannot use the key.
    """
    if isinstance(public_key, RSAPublicKey):
        members = RSAAlgorithm.to_jwk(public_key, as_dict=True)
    else:
        try:
            members = ECAlgorithm.to_jwk(public_key, as_dict=True)
        except InvalidKeyError as error:
            raise JwksError(f"STS cannot use a key of the curve {public_key.curve.name}") from error
    kept = {name: members[name] for name in ("kty", *_KEY_MEMBERS[members["kty"]])}
    alg = next(iter(algorithms_of(public_key)), "")
    jwk = _judged({"use": "sig", "kid": kid_of(public_key), "alg": alg, **kept}, "the key")
    if jwk.unusable_reason:
        raise JwksError(jwk.unusable_reason)
    return jwk


def read_jwks(body: bytes) -> tuple[Jwk, ...]:
    """Returns the keys of a JWKS, in their order, whether STS can use them or not.

    The caller limits the size of `body`. Raises JwksError if the document is no JWKS, or two keys have the same kid.
    """
    try:
        document = read_object(body)
    except DocumentError as error:
        raise JwksError(str(error)) from error
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise JwksError(
            'it is a JSON object without a list "keys", so it is no JWKS'
            + (" (it is a discovery document)" if "jwks_uri" in document else "")
        )
    keys = []
    places: dict[str, str] = {}
    for number, entry in enumerate(entries):
        place = f"keys[{number}]"
        if not isinstance(entry, dict):
            raise JwksError(f"{place} is not a JSON object")
        jwk = _judged(entry, place)
        if jwk.kid and jwk.kid in places:
            raise JwksError(f"{places[jwk.kid]} and {place} have the same kid {jwk.kid!r}")
        places[jwk.kid] = place
        keys.append(jwk)
    return tuple(keys)


def jwks_document(keys: Iterable[Jwk]) -> bytes:
    """Returns the JWKS of `keys` as UTF-8 JSON: the same bytes for the same keys, in whatever order they come.

    Raises JwksError if a key contains a private key: nobody may publish it.
    """
    entries = []
    for jwk in sorted(keys, key=lambda jwk: (jwk.kid, json.dumps(jwk.members, sort_keys=True))):
        if jwk.has_private_members:
            raise JwksError(jwk.unusable_reason)
        others = sorted(name for name in jwk.members if name not in _ORDER)
        entries.append({name: jwk.members[name] for name in (*_ORDER, *others) if name in jwk.members})
    return (json.dumps({"keys": entries}, indent=2) + "\n").encode()


def _judged(members: dict[str, Any], place: str) -> Jwk:
    """Returns the key with its unusable_reason. Raises JwksError if one of its names is not text."""
    texts = {}
    for name in ("kid", "kty", "alg", "use"):
        value = members.get(name, "")
        if not isinstance(value, str):
            raise JwksError(f"{place}: its {name} is not text")
        texts[name] = value
    public_key, reason = _public_key(members)
    return Jwk(
        **texts, members=members, public_key=public_key, unusable_reason=reason or _mismatch(members, public_key)
    )


def _public_key(members: Mapping[str, Any]) -> tuple[PublicKey | None, str]:
    """Returns the key, or None and why the members make none that may be published."""
    private = sorted(PRIVATE_MEMBERS & members.keys())
    if private:
        return None, f"it contains a private key or a secret (member {', '.join(private)}): never publish it"
    kty = members.get("kty", "")
    if kty not in _KEY_MEMBERS:
        return None, f"STS cannot use a key of type {kty!r}: it must be RSA or EC" if kty else "it has no kty"
    for name in _KEY_MEMBERS[kty]:
        value = members.get(name)
        if not isinstance(value, str) or not value:
            return None, f"it has no {name}, or not as text"
        if name != "crv" and (len(value) > _MAX_MEMBER or not _BASE64URL.fullmatch(value)):
            return None, f"its {name} is not a number of a key in base64url without padding"
    # Only the members of a public key: PyJWT must not see others.
    numbers = {name: members[name] for name in ("kty", *_KEY_MEMBERS[kty])}
    try:
        key = RSAAlgorithm.from_jwk(numbers) if kty == "RSA" else ECAlgorithm.from_jwk(numbers)
    except (InvalidKeyError, ValueError, OverflowError, UnsupportedAlgorithm) as error:
        return None, f"its members make no {kty} key: {error}"
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        return None, f"its members make no public {kty} key"
    return key, ""


def _mismatch(members: Mapping[str, Any], key: PublicKey | None) -> str:
    """Returns why STS cannot use a key whose numbers are right; "" if it can."""
    possible = algorithms_of(key) if key is not None else ()
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        return f"its RSA key has {key.key_size:,} bits: STS wants at least {MIN_RSA_BITS:,}"
    if not possible:
        return f"STS cannot use a key of the curve {members['crv']}: it must be P-256, P-384 or P-521"
    if "alg" in members and members["alg"] not in possible:
        return f"its alg {members['alg']!r} does not fit the key: {' or '.join(possible)}"
    if not members.get("kid"):
        return "it has no kid, so STS cannot find it"
    if members.get("use", "sig") != "sig":
        return f"its use is {members['use']!r}, not 'sig'"
    operations = members.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return "its key_ops lack 'verify'"
    return ""
