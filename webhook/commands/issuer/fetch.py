"""Fetches a document as STS does: verified HTTPS, no credentials, within a deadline; and reads a bounded part of it."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final
from urllib.parse import urljoin

import httpx

from webhook import __version__
from webhook.commands.issuer.connection_failure import connection_problem
from webhook.issuer.check import shown
from webhook.issuer.fetched import MAX_BYTES, STS_SECONDS, Fetched, Problem, Stage
from webhook.issuer.issuer_url import Address, address_of

_MAX_REDIRECTS: Final = 3
_HERE: Final = "Serve the document at this URL itself: AWS does not say that STS follows redirects."


@dataclass(frozen=True)
class Fetcher:
    """How to fetch: what verifies servers, the time for one whole fetch, and where to connect instead of where.

    With `instead`, requests for these hosts and ports go to others, without a proxy; names are verified as before.
    """

    context: ssl.SSLContext
    seconds: float = STS_SECONDS
    instead: Mapping[tuple[str, int], tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def of_issuer(cls, issuer: str, context: ssl.SSLContext, instead: tuple[str, int] | None) -> "Fetcher":
        """Returns a fetcher that connects to `instead`, unless it is None, for what the issuer's host serves."""
        address = address_of(issuer)
        if address is None or instead is None:
            return cls(context)
        return cls(context, instead={(address.host, address.port): instead})

    async def fetch(self, url: str) -> Fetched:
        """Fetches an https URL; never raises for what a server or the network does."""
        progress = _Progress(monotonic())
        try:
            async with asyncio.timeout(self.seconds):
                return await self._follow(url, progress)
        except TimeoutError:
            await progress.close_handshake()
            return progress.ended(url, self._too_late(progress.stage))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            address = address_of(progress.url or url)
            target = self.target(address) if address is not None else ("", 0)
            problem = await connection_problem(error, progress.stage, address, target, self.seconds)
            return progress.ended(url, problem)

    def target(self, address: Address) -> tuple[str, int]:
        """Returns the host and the port to connect to for an address."""
        return self.instead.get((address.host, address.port), (address.host, address.port))

    async def _follow(self, url: str, progress: "_Progress") -> Fetched:
        """Fetches `url`, and what redirects on the same host lead to."""
        origin = address_of(url)
        seen = [url]
        while True:
            progress.begin(seen[-1])
            fetched = await self._get(seen[-1], progress)
            if fetched.problem is not None or not (300 <= fetched.status < 400 and fetched.redirects):
                return progress.whole(url, fetched, tuple(seen[1:]))
            target = fetched.redirects[0]
            address = address_of(target)
            if address is None or origin is None or (address.host, address.port) != (origin.host, origin.port):
                return progress.ended(url, Problem("redirect", f"it redirects to {shown(target)}", _HERE))
            if target in seen or len(seen) > _MAX_REDIRECTS:
                loop = "in a loop" if target in seen else f"more than {_MAX_REDIRECTS} times"
                return progress.ended(url, Problem("redirect", f"it redirects {loop}, to {shown(target)}", _HERE))
            seen.append(target)

    async def _get(self, url: str, progress: "_Progress") -> Fetched:
        """Fetches one URL; `redirects` is then where a redirect leads to."""
        address = address_of(url)
        if address is None:
            raise httpx.InvalidURL("not an https URL that can be fetched")
        host, port = self.target(address)
        headers = {
            "Host": _authority(address.host, address.port, "https"),
            # An API server serves its JWKS only as application/jwk-set+json, and answers 406 to who wants another type.
            "Accept": "*/*",
            # A body that is not compressed cannot become larger than what we read.
            "Accept-Encoding": "identity",
            "User-Agent": f"pod-identity-webhook/{__version__}",
        }
        extensions = {"sni_hostname": address.host, "trace": progress.trace}
        place = f"https://{_authority(host, port, 'https')}{address.target}"
        async with (
            # No time limit of httpx's own: each limits one read, and ours the whole.
            httpx.AsyncClient(verify=self.context, timeout=None, trust_env=not self.instead) as client,  # noqa: S113
            client.stream("GET", place, headers=headers, extensions=extensions) as response,
        ):
            location = response.headers.get("location")
            if 300 <= response.status_code < 400 and location is not None:
                return Fetched(url, response.status_code, redirects=(urljoin(url, location),))
            return await _read(url, response)

    def _too_late(self, stage: Stage) -> Problem:
        limit = f"{self.seconds:g} s"
        if stage == "connection":
            return Problem(stage, f"no connection within {limit}", "Check the firewall, and that the port is open.")
        if stage == "tls":
            return Problem(stage, f"no TLS handshake within {limit}", "Check that the port speaks TLS.")
        return Problem(
            stage, f"the whole answer did not come within {limit}", "Use a faster host; a static one will do."
        )


@dataclass
class _Progress:
    """How far a fetch has come."""

    began: float
    url: str = ""
    stage: Stage = "connection"
    connection: Any = None

    def begin(self, url: str) -> None:
        self.url, self.stage, self.connection = url, "connection", None

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Receives httpcore's events."""
        if event.endswith("connect_tcp.complete"):
            self.stage, self.connection = "tls", info["return_value"]
        elif event.endswith("start_tls.complete"):
            self.stage, self.connection = "answer", None

    async def close_handshake(self) -> None:
        """Closes a connection that was cancelled in its handshake, which httpcore leaves open."""
        if self.connection is not None:
            await self.connection.aclose()

    def ended(self, url: str, problem: Problem) -> Fetched:
        return Fetched(url, seconds=monotonic() - self.began, problem=problem)

    def whole(self, url: str, fetched: Fetched, redirects: tuple[str, ...]) -> Fetched:
        return Fetched(
            url,
            fetched.status,
            fetched.content_type,
            fetched.body,
            monotonic() - self.began,
            redirects,
            fetched.problem,
        )


async def _read(url: str, response: httpx.Response) -> Fetched:
    """Reads at most MAX_BYTES of the body, as they were sent."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        said = f"it is compressed ({shown(encoding)}), although we did not ask for that"
        return Fetched(url, problem=Problem("size", said, "Store and serve it without Content-Encoding."))
    fix = "Serve the document itself: with some keys it has a few KiB."
    length = response.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and len(length) < 20 and int(length) > MAX_BYTES:
        return Fetched(url, problem=Problem("size", f"it has {int(length):,} bytes", fix))
    parts, size = [], 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            return Fetched(url, problem=Problem("size", f"it has more than {MAX_BYTES:,} bytes", fix))
    return Fetched(url, response.status_code, response.headers.get("content-type", ""), b"".join(parts))


def _authority(host: str, port: int, scheme: str) -> str:
    """Returns host and port as in a URL of this scheme."""
    name = f"[{host}]" if ":" in host else host
    return name if (scheme, port) == ("https", 443) else f"{name}:{port}"
