"""Documents of an issuer on a local host, where the stand-in finds them."""

import json
from collections.abc import Iterable
from typing import Final

from tests.sts.static_host import StaticHost
from webhook.issuer.jwks import Jwk, jwks_document

DISCOVERY: Final = ".well-known/openid-configuration"
JWKS: Final = "openid/v1/jwks"


def publish(host: StaticHost, issuer: str, keys: Iterable[Jwk]) -> None:
    """Writes a discovery document and a JWKS for the issuer, whose URL is that of the host."""
    write(host, DISCOVERY, json.dumps({"issuer": issuer, "jwks_uri": f"{issuer}/{JWKS}"}).encode())
    write(host, JWKS, jwks_document(keys))


def write(host: StaticHost, path: str, body: bytes) -> None:
    file = host.files / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
