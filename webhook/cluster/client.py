"""Sends requests to the API server and returns the answers as bytes.

The official client connects and authenticates; we decode the answers. Its models would cost milliseconds and megabytes
for fields that we do not read.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias
from urllib.parse import urlencode

import aiohttp

from webhook import __version__
from webhook.cluster.access import Access, AccessSettings, load_access
from webhook.cluster.api_errors import ApiError, ClusterConfigError, ClusterError, TooLarge
from webhook.cluster.failures import answer_error, connection_error, without_password
from webhook.cluster.resource import JSON, NonResource, PodPort, Resource

# Large enough for any object: the API server accepts requests of at most 3 MiB (etcd stores at most 1.5 MiB), and JSON
# may encode each byte as six.
MAX_BODY: Final = 20 * 1024 * 1024
# Larger bodies are rare, but anybody who may write an object can cause them: hold only a few in memory at a time.
_LARGE_BODY: Final = 1024 * 1024
_LARGE_BODIES_AT_ONCE: Final = 2
_MAX_ERROR_BODY: Final = 64 * 1024
# The read buffer of each connection: a larger one costs memory and blocks the event loop for longer.
_READ_AHEAD: Final = 64 * 1024

_CONNECT_TIMEOUT: Final = 10.0

Verb: TypeAlias = Literal["create", "patch"]

# The HTTP method and content type of each writing verb; the verbs are RBAC's.
_METHODS: Final = {
    "create": ("POST", JSON),
    "patch": ("PATCH", "application/strategic-merge-patch+json"),
}
_RENEW_BEFORE: Final = timedelta(minutes=1)
_SECONDS_BETWEEN_RELOADS: Final = 10.0

logger = logging.getLogger(__name__)


class KubernetesClient:
    """The API server of one cluster; an async context manager.

    Entering it does not connect. It raises ClusterConfigError if the configuration or credentials cannot be read.
    """

    def __init__(self, settings: AccessSettings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._large_bodies = asyncio.Semaphore(_LARGE_BODIES_AT_ONCE)
        self._loaded_at = 0.0
        self._access: Access | None = None
        self._transport = b""
        self._rest: Any = None

    async def __aenter__(self) -> Self:
        logging.getLogger("aiohttp").setLevel(logging.ERROR)
        await self._load()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rest is not None:
            await self._rest.close()

    @property
    def host(self) -> str:
        """The API server's URL, without a password."""
        return without_password(self._access.host) if self._access is not None else ""

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context, or of the pod that we run in; "" if there is none."""
        return self._access.namespace if self._access is not None else ""

    async def get(
        self,
        resource: Resource | NonResource | PodPort,
        params: Mapping[str, str] | None = None,
        accept: str = JSON,
        *,
        seconds: float = 30.0,
        max_bytes: int = MAX_BODY,
    ) -> bytes:
        """Gets the object or document, or lists the collection, within `seconds`.

        Raises ClusterError; TooLarge if the answer has more than `max_bytes`.
        """
        verb = "get" if resource.name else "list"
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_TIMEOUT)
        try:
            async with await self._request(verb, resource, params or {}, accept, timeout) as response:
                return await self._body(response, max_bytes, f"{verb} {resource}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise connection_error(error, self.host) from error

    async def write(
        self,
        verb: Verb,
        resource: Resource,
        body: Mapping[str, Any],
        seconds: float = 10.0,
        params: Mapping[str, str] | None = None,
    ) -> bytes:
        """Writes `body` to `resource` within `seconds` and returns the resulting object. Raises ClusterError.

        For `create`, `resource` is the collection; for `patch` (a strategic merge), it is the object.
        """
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_TIMEOUT)
        try:
            async with await self._request(verb, resource, params or {}, JSON, timeout, body) as response:
                return await self._body(response, MAX_BODY, f"{verb} {resource}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise connection_error(error, self.host) from error

    async def create_dry_run(
        self, resource: Resource, body: Mapping[str, Any], seconds: float = 30.0
    ) -> tuple[bytes, tuple[str, ...]]:
        """Asks the API server to create `body` in the collection as a dry run, so that nothing is stored.

        Returns the object as it would be stored, and the texts of its warnings. Raises ClusterError.
        """
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_TIMEOUT)
        try:
            async with await self._request("create", resource, {"dryRun": "All"}, JSON, timeout, body) as response:
                warnings = tuple(map(_warning_text, response.headers.getall("Warning", [])))
                return await self._body(response, MAX_BODY, f"create {resource}"), warnings
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise connection_error(error, self.host) from error

    @asynccontextmanager
    async def stream(
        self, resource: Resource, params: Mapping[str, str], accept: str, *, seconds: float, silence: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Opens a watch and yields its chunks as they arrive, for at most `seconds`.

        Raises TimedOut if nothing arrives for `silence` seconds.
        """
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_TIMEOUT, sock_read=silence)
        try:
            async with await self._request("watch", resource, params, accept, timeout) as response:
                try:
                    yield response.content.iter_any()
                finally:
                    # Close the connection: it cannot be reused while part of the answer is unread.
                    response.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise connection_error(error, self.host) from error

    @asynccontextmanager
    async def websocket(
        self, resource: Resource, params: Sequence[tuple[str, str]], protocol: str, *, seconds: float
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Opens a subresource as a websocket, for at most `seconds`. Raises ClusterError."""
        access = await self._current_access()
        headers = {"User-Agent": f"pod-identity-webhook/{__version__}"}
        if authorization := await access.authorization():
            headers["Authorization"] = authorization
        url = f"{access.host}{resource.path}?{urlencode(params)}"
        rest = self._rest
        try:
            async with (
                asyncio.timeout(seconds),
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.ws_connect(
                    url,
                    headers=headers,
                    protocols=(protocol,),
                    ssl=rest.ssl_context,
                    proxy=rest.proxy,
                    proxy_headers=rest.proxy_headers,
                ) as socket,
            ):
                yield socket
        except aiohttp.WSServerHandshakeError as error:
            advice = f" (grant {resource.rule('get')}, from Kubernetes 1.35 also create)" if error.status == 403 else ""
            raise ApiError(error.status, "", f"get {resource}: {error.status}{advice}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise connection_error(error, self.host) from error

    async def _body(self, response: aiohttp.ClientResponse, max_bytes: int, what: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        has_place = False
        try:
            async for part in response.content.iter_any():
                parts.append(part)
                size += len(part)
                if size > max_bytes:
                    # Close the connection: reusing it would mean reading the rest of the answer first.
                    response.close()
                    raise TooLarge(f"{what}: the answer is larger than {max_bytes} bytes")
                if size > _LARGE_BODY and not has_place:
                    await self._large_bodies.acquire()
                    has_place = True
            return b"".join(parts)
        finally:
            if has_place:
                self._large_bodies.release()

    async def _request(
        self,
        verb: str,
        resource: Resource | NonResource | PodPort,
        params: Mapping[str, str],
        accept: str,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - all of aiohttp's deadlines
        body: Mapping[str, Any] | None = None,
    ) -> aiohttp.ClientResponse:
        """Sends a request and returns the response with its body unread. Raises ApiError and aiohttp's errors."""
        access = await self._current_access()
        sent_at = monotonic()
        response = await self._send(verb, access, resource, params, accept, timeout, body)
        if response.status == 401 and await self._reload(sent_at):
            response.release()
            assert self._access is not None  # noqa: S101 - _reload has just set it
            response = await self._send(verb, self._access, resource, params, accept, timeout, body)
        if response.status < 300:
            return response
        async with response:
            text = await response.content.read(_MAX_ERROR_BODY)
            raise answer_error(response, text, verb, resource, params)

    async def _send(
        self,
        verb: str,
        access: Access,
        resource: Resource | NonResource | PodPort,
        params: Mapping[str, str],
        accept: str,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as above
        body: Mapping[str, Any] | None,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": accept, "User-Agent": f"pod-identity-webhook/{__version__}"}
        authorization = await access.authorization()
        if authorization:
            headers["Authorization"] = authorization
        url = access.host + resource.path + (f"?{urlencode(params)}" if params else "")
        method, headers["Content-Type"] = _METHODS.get(verb, ("GET", JSON))
        try:
            answer = await self._rest.request(method, url, headers=headers, body=body, _request_timeout=timeout)
        except UnicodeError as error:
            # The name of the host cannot be encoded (IDNA).
            raise connection_error(error, self.host) from error
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _current_access(self) -> Access:
        access = self._access
        if access is None:
            raise ClusterConfigError("the client is not open")
        if access.expires_at is not None and access.expires_at - _RENEW_BEFORE < datetime.now(UTC):
            await self._reload(monotonic())
            access = self._access or access
        return access

    async def _reload(self, noticed_at: float) -> bool:
        """Reads the credentials again, unless another call has done so since `noticed_at` or in the last seconds.

        Returns whether there are new credentials since `noticed_at`.
        """
        async with self._lock:
            if self._loaded_at > noticed_at:
                return True
            if monotonic() - self._loaded_at < _SECONDS_BETWEEN_RELOADS:
                return False
            try:
                await self._load()
            except ClusterError as error:
                self._loaded_at = monotonic()
                logger.warning("the credentials for the API server cannot be renewed: %s", error)
                return False
            return True

    async def _load(self) -> None:
        from kubernetes.aio.client.rest import RESTClientObject  # noqa: PLC0415 - costs 20 MB if imported without need

        access = await load_access(self._settings)
        transport = access.transport
        if self._access is None or self._transport != transport:
            access.configuration.client_session_kwargs = {
                "read_bufsize": _READ_AHEAD,
                "cookie_jar": aiohttp.DummyCookieJar(),
            }
            try:
                rest = RESTClientObject(access.configuration)
            except (OSError, ssl.SSLError, ValueError) as error:
                raise ClusterConfigError(f"the certificates for the API server cannot be used: {error}") from error
            former, self._rest, self._transport = self._rest, rest, transport
            if former is not None:
                await former.close()
        self._access = access
        self._loaded_at = monotonic()


def _warning_text(header: str) -> str:
    """Returns the text of a Warning header (RFC 7234): its third part, in quotes."""
    text = header.partition('"')[2].rpartition('"')[0]
    return text.replace('\\"', '"').replace("\\\\", "\\")
