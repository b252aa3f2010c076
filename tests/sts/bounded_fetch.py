"""Fetches an issuer's documents as STS does: verified TLS, five seconds in all, bounded size, no redirect."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final

import httpx

from tests.sts.refusal import no_key, unreachable, wrong_certificate

LIMIT: Final = 5.0
"""Seconds for one document, from the first packet to the last."""

MAX_BYTES: Final = 256 * 1024


class Fetcher:
    """Connects to `hosts[name]`, an address and a port, instead of what DNS says; the certificate must fit the name.

    `ca` is the only CA that it knows; `limit` is in seconds, for one document. `fetched` lists the URLs asked for.
    """

    def __init__(self, ca: bytes, hosts: Mapping[str, tuple[str, int]], *, limit: float = LIMIT) -> None:
        self._limit = limit
        self._context = ssl.create_default_context(cadata=ca.decode())
        self._hosts = hosts
        self.fetched: list[str] = []

    def fetch(self, url: str) -> bytes:
        """Returns the body of the answer 200. Raises Refusal."""
        self.fetched.append(url)
        try:
            return asyncio.run(asyncio.wait_for(self._fetch(httpx.URL(url)), self._limit))
        except (httpx.TransportError, TimeoutError) as error:
            if _is_about_certificate(error):
                raise wrong_certificate() from error
            raise unreachable() from error

    async def _fetch(self, url: httpx.URL) -> bytes:
        if url.scheme != "https" or not url.host:
            raise no_key()
        address, port = self._hosts.get(url.host, (url.host, url.port or 443))
        headers = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
        named = {"sni_hostname": url.host}
        async with (
            httpx.AsyncClient(verify=self._context, timeout=None, trust_env=False) as client,
            client.stream("GET", url.copy_with(host=address, port=port), headers=headers, extensions=named) as answer,
        ):
            if answer.status_code != 200:
                raise no_key()
            body = b""
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise no_key()
            return body


def _is_about_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
