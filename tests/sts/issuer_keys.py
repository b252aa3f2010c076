"""The keys of issuers, as their discovery documents name them; kept for a time, because STS keeps them too."""

from collections.abc import Callable
from datetime import datetime, timedelta

from tests.sts.bounded_fetch import Fetcher
from tests.sts.refusal import no_key
from webhook.issuer.json_object import DocumentError, read_object
from webhook.issuer.jwks import Jwk, read_jwks


class IssuerKeys:
    """Keys by issuer. AWS does not say how long STS keeps them, so a test says it."""

    def __init__(self, fetcher: Fetcher, now: Callable[[], datetime], keep_for: timedelta) -> None:
        self._fetcher = fetcher
        self._now = now
        self._keep_for = keep_for
        self._kept: dict[str, tuple[datetime, tuple[Jwk, ...]]] = {}

    def key(self, issuer: str, kid: str | None) -> Jwk:
        """Returns the issuer's usable key with this kid. Raises Refusal.

        An unknown kid does not end the cache early: a key that is switched too early must show.
        """
        for jwk in self._keys(issuer):
            if jwk.kid == kid and not jwk.unusable_reason:
                return jwk
        raise no_key()

    def _keys(self, issuer: str) -> tuple[Jwk, ...]:
        until, keys = self._kept.get(issuer, (None, ()))
        if until is None or self._now() >= until:
            keys = self._fetch(issuer)
            self._kept[issuer] = (self._now() + self._keep_for, keys)
        return keys

    def _fetch(self, issuer: str) -> tuple[Jwk, ...]:
        try:
            discovery = read_object(self._fetcher.fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
            # OpenID Connect Discovery 1.0, section 4.3: they must be equal. AWS does not say what STS answers if not.
            if discovery.get("issuer") != issuer or not isinstance(discovery.get("jwks_uri"), str):
                raise no_key()
            return read_jwks(self._fetcher.fetch(discovery["jwks_uri"]))
        except DocumentError as error:
            raise no_key() from error
