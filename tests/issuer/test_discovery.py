"""The discovery document."""

import json

from tests.issuer.keys import ec_key, rsa_key
from webhook.issuer.discovery import discovery_document
from webhook.issuer.jwks import jwk_of


def test_it_has_what_kube_apiserver_writes_with_the_uri_of_the_issuer() -> None:
    keys = [jwk_of(key.public_key()) for key in (rsa_key(), ec_key("ES512"), ec_key("ES256"), rsa_key("other"))]

    assert json.loads(discovery_document("https://a.example.com/b", keys)) == {
        "issuer": "https://a.example.com/b",
        "jwks_uri": "https://a.example.com/b/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "ES512", "RS256"],
    }


def test_it_has_the_same_bytes_for_the_same_keys_in_any_order() -> None:
    keys = [jwk_of(key.public_key()) for key in (rsa_key(), ec_key("ES512"))]

    assert discovery_document("https://a", keys) == discovery_document("https://a", reversed(keys))
