"""An issuer whose documents and token are right, and what changes when one thing is wrong."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.issuer.keys import CLAIMS, NOW, ec_key, rsa_key, signed
from webhook.issuer.check import Check
from webhook.issuer.fetched import Fetched, Problem
from webhook.issuer.issuer_url import discovery_url
from webhook.issuer.jwks import jwk_of, jwks_document
from webhook.issuer.verification import PresentedToken, verified

ISSUER: Final = str(CLAIMS["iss"])
JWKS_URI: Final = f"{ISSUER}/openid/v1/jwks"
RSA_JWK: Final = jwk_of(rsa_key().public_key())
DISCOVERY: Final[Mapping[str, Any]] = {
    "issuer": ISSUER,
    "jwks_uri": JWKS_URI,
    "response_types_supported": ["id_token"],
    "subject_types_supported": ["public"],
    "id_token_signing_alg_values_supported": ["RS256"],
}
KEYS: Final[Mapping[str, Any]] = json.loads(jwks_document([RSA_JWK]))
TOKEN: Final = signed(kid=RSA_JWK.kid)
GOOD_TOKEN: Final = PresentedToken(TOKEN)


def token(algorithm: str = "RS256", *, key: Any = None, kid: str | None = RSA_JWK.kid, **claims: Any) -> str:
    """Returns a token of the issuer with other claims; None leaves a claim out."""
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return signed(merged, algorithm, kid, key)


def ec_jwk(algorithm: str) -> dict[str, Any]:
    """Returns the JWK of the key for ES256, ES384 or ES512."""
    return dict(jwk_of(ec_key(algorithm).public_key()).members)


def key(**changes: Any) -> dict[str, Any]:
    """Returns the issuer's RSA key with other members; None leaves a member out."""
    return {name: value for name, value in {**RSA_JWK.members, **changes}.items() if value is not None}


@dataclass(frozen=True)
class Published:
    """What is at the issuer; `discovery` and `keys` are JSON, or bytes as they are."""

    issuer: str = ISSUER
    discovery: Any = field(default_factory=lambda: dict(DISCOVERY))
    keys: Any = field(default_factory=lambda: dict(KEYS))
    discovery_answer: Mapping[str, Any] = field(default_factory=dict)
    keys_answer: Mapping[str, Any] = field(default_factory=dict)
    token: PresentedToken | None = GOOD_TOKEN
    audiences: tuple[str, ...] = ("sts.amazonaws.com",)
    now: Any = NOW

    def checks(self) -> dict[str, Check]:
        """Returns all checks by their names."""
        discovery = _fetched(discovery_url(self.issuer), self.discovery, self.discovery_answer)
        keys = _fetched(JWKS_URI, self.keys, self.keys_answer)
        sections = verified(self.issuer, discovery, keys, self.token, self.audiences, self.now)
        found = [check for section in sections for check in section.checks]
        assert len({check.name for check in found}) == len(found)
        return {check.name: check for check in found}


def failures(published: Published) -> dict[str, str]:
    """Returns what was found by the names of the checks that failed; each has a fix."""
    failed = {name: check for name, check in published.checks().items() if check.outcome == "failed"}
    assert all(check.fix for check in failed.values())
    return {name: check.found for name, check in failed.items()}


def with_discovery(**changes: Any) -> Published:
    """Returns the issuer with other members in its discovery document; None leaves a member out."""
    changed = {name: value for name, value in {**DISCOVERY, **changes}.items() if value is not None}
    return Published(discovery=changed)


def with_keys(*keys: Any) -> Published:
    return Published(keys={"keys": list(keys)})


def with_token(text: str, **changes: Any) -> Published:
    return replace(Published(token=PresentedToken(text)), **changes)


def _fetched(url: str, document: Any, answer: Mapping[str, Any]) -> Fetched | None:
    if document is None:
        return None
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return replace(Fetched(url, 200, "application/json", body, 0.1), **answer)


def problem(stage: Any) -> dict[str, Any]:
    """Returns the answer of a fetch that failed at a stage."""
    return {"status": 0, "body": b"", "problem": Problem(stage, "why", "how")}
