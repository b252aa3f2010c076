"""The discovery document of an issuer (OpenID Connect Discovery 1.0), with the members that kube-apiserver writes."""

import json
from collections.abc import Iterable
from typing import Final

from webhook.issuer.jwks import Jwk

DISCOVERY_PATH: Final = ".well-known/openid-configuration"
JWKS_PATH: Final = "openid/v1/jwks"
"""Paths below the issuer's URL: the standard's, and the one that kube-apiserver serves too."""


def jwks_uri(issuer: str) -> str:
    """Returns where the JWKS of an issuer is."""
    return f"{issuer}/{JWKS_PATH}"


def algorithms_of_keys(keys: Iterable[Jwk]) -> tuple[str, ...]:
    """Returns the signature algorithms of the keys, sorted, each once."""
    return tuple(sorted({name for jwk in keys for name in jwk.algorithms}))


def discovery_document(issuer: str, keys: Iterable[Jwk]) -> bytes:
    """Returns the discovery document as UTF-8 JSON: the same bytes for the same issuer and keys."""
    document = {
        "issuer": issuer,
        "jwks_uri": jwks_uri(issuer),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(algorithms_of_keys(keys)),
    }
    return (json.dumps(document, indent=2) + "\n").encode()
