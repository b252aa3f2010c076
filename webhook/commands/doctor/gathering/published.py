"""Requests a token of the ServiceAccount, and fetches what its issuer publishes, as STS does."""

import ssl

import msgspec

from webhook.cluster.access import AccessSettings
from webhook.cluster.resource import NonResource
from webhook.commands.doctor.gathering.reader import Reader
from webhook.commands.issuer.fetch import Fetcher
from webhook.commands.issuer.live_token import request_token
from webhook.diagnosis.doctor.facts import Published
from webhook.diagnosis.doctor.read import Read
from webhook.errors import WebhookError
from webhook.issuer.discovery_requirements import jwks_uri_of
from webhook.issuer.issuer_url import address_of, discovery_url
from webhook.issuer.token import Token, read_token
from webhook.issuer.verification import document_of

_DISCOVERY = NonResource("/.well-known/openid-configuration", "system:service-account-issuer-discovery")


async def token_of(access: AccessSettings, namespace: str, name: str, audience: str) -> Read[Token]:
    """Requests a token with this audience, as kubelet does for a pod."""
    try:
        return Read(read_token(await request_token(access, namespace, name, [audience])))
    except WebhookError as error:
        return Read(None, str(error))


async def read_published(
    reader: Reader,
    token: Read[Token],
    audience: str,
    given: str,
    context: ssl.SSLContext,
    instead: tuple[str, int] | None,
) -> Published:
    """Fetches the documents of the issuer: of `given` (--issuer), the token, or the API server's own document."""
    issuer, origin = given, "--issuer"
    if not issuer and token.value is not None:
        issuer, origin = token.value.iss or "", "the token's"
    if not issuer:
        issuer, origin = await _own_issuer(reader), "the API server's own document"
    if not issuer:
        return Published(token=token, audience=audience)
    fetcher = Fetcher.of_issuer(issuer, context, instead)
    discovery = await fetcher.fetch(discovery_url(issuer)) if address_of(issuer) is not None else None
    jwks_uri = jwks_uri_of(document_of(discovery))
    jwks = await fetcher.fetch(jwks_uri) if jwks_uri is not None else None
    return Published(issuer=issuer, origin=origin, token=token, discovery=discovery, jwks=jwks, audience=audience)


async def _own_issuer(reader: Reader) -> str:
    read = await reader.text(_DISCOVERY)
    try:
        document = msgspec.json.decode((read.value or "{}").encode(), type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError):
        return ""
    issuer = document.get("issuer")
    return issuer if isinstance(issuer, str) else ""
