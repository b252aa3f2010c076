"""Parses the bytes of a connection into requests (HTTP/1.1, RFC 9112) with httptools, and enforces size limits."""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

import httptools

from webhook.server.http.answer import Headers, Request
from webhook.server.http.limits import Limits

# A body makes progress each time it has grown by this many bytes.
_PROGRESS: Final = 16 * 1024
_MALFORMED: Final = b"Invalid HTTP request received."
_HEADERS_TOO_LARGE: Final = b"Request headers are too large."


class Refusal(NamedTuple):
    """A refused request: the status and reason to answer; method and path, which are empty if unknown."""

    code: int
    reason: bytes
    method: str
    path: bytes


class _StopParsing(Exception):
    """Stops the parser from within a callback; `feed` catches it."""


# The API server requests only a few different targets.
@lru_cache(maxsize=16)
def _target(url: bytes) -> tuple[bytes, bytes]:
    """Returns the path and query of a request's target; an empty path if the target is invalid."""
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        return b"", b""
    path = parsed.path or b""
    return (path, parsed.query or b"") if path.isascii() else (b"", b"")


class RequestReader:
    """Reads requests; calls `on_request` for each complete one, and `on_refusal` for one that it refuses.

    `is_receiving` is true while a request is incomplete; it began at `started_at`, and its body last made progress at
    `progressed_at`, both in the loop's time. `is_open` becomes False when we ignore further input.
    """

    def __init__(
        self, limits: Limits, on_request: Callable[[Request], None], on_refusal: Callable[[Refusal], None]
    ) -> None:
        self._limits = limits
        self._on_request, self._on_refusal = on_request, on_refusal
        self._time = asyncio.get_running_loop().time
        self._parser: Any = httptools.HttpRequestParser(self)
        self.is_open = True
        self.is_receiving = False
        self.awaits_continue = False
        self.started_at = self.progressed_at = 0.0
        self._begin()

    def _begin(self) -> None:
        # The bytes of this request outside its body; in a chunked body, only those since the last chunk header.
        self._header_bytes = 0
        self._url = b""
        self._path, self._query = b"", b""
        self._headers: Headers = []
        self._length = b""
        self._body: bytes | bytearray = b""

    @property
    def body_size(self) -> int:
        """The received bytes of an incomplete body."""
        return len(self._body)

    def feed(self, data: bytes) -> None:
        """Parses more input."""
        self._header_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request itself is valid for us, but the input after it may use the other protocol.
            self.stop()
        except httptools.HttpParserError as error:
            # The parser chains the exception that one of the callbacks below has raised.
            raised = error.__context__
            if raised is not None and not isinstance(raised, _StopParsing):
                raise
            if self.is_open:
                self.refuse(400, _MALFORMED)
        else:
            if self._header_bytes > self._limits.header_bytes and self.is_receiving:
                self.refuse(431, _HEADERS_TOO_LARGE)

    def refuse(self, code: int, reason: bytes) -> None:
        """Refuses the current request, and ignores further input."""
        method = self._parser.get_method().decode("ascii")
        refusal = Refusal(code, reason, method, self._path)
        self.stop()
        self._on_refusal(refusal)

    def stop(self) -> None:
        """Ignores further input, and discards an incomplete request."""
        self.is_open = self.is_receiving = self.awaits_continue = False
        self._begin()

    def close(self) -> None:
        """Stops, and breaks the reference cycle of the parser, this object and the connection."""
        self.stop()
        self._parser = self._on_request = self._on_refusal = None  # type: ignore[assignment]

    # The parser's calls

    def on_message_begin(self) -> None:
        """Called at the first byte of a request."""
        if not self.is_open:
            raise _StopParsing
        self.is_receiving = True
        self.started_at = self.progressed_at = self._time()

    def on_url(self, url: bytes) -> None:
        """Called for each part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called for each header."""
        name = name.lower()
        self._headers.append((name, value))
        if name == b"content-length":
            self._length = value
        elif name == b"expect":
            self.awaits_continue = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """Refuses a request if its headers alone are reason enough."""
        # The count still includes body bytes from the same read: compute the exact size only if it is above the limit.
        if self._header_bytes > self._limits.header_bytes:
            size = len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers)
            if size > self._limits.header_bytes:
                self._stop_with(431, _HEADERS_TOO_LARGE)
        self._path, self._query = _target(self._url)
        if not self._path:
            self._stop_with(400, b"Invalid URL.")
        if self._length and self._is_too_large(self._length.strip(b" \t")):
            self._refuse_size()

    def on_chunk_header(self) -> None:
        """Called at each chunk of a chunked body. Trailers follow the last one."""
        self._header_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Called for each part of the body."""
        self._header_bytes -= len(body)
        before = len(self._body)
        if not before:
            self._body = body
            return
        if isinstance(self._body, bytes):
            self._body = bytearray(self._body)
        # One buffer, not a list of parts: if a body comes byte by byte, each part would cost forty times its size.
        self._body += body
        if len(self._body) // _PROGRESS != before // _PROGRESS:
            self.progressed_at = self._time()
        if len(self._body) > self._limits.body_bytes:
            self._refuse_size()

    def on_message_complete(self) -> None:
        """Called when a request is complete."""
        parser = self._parser
        version = parser.get_http_version()
        keeps_alive = version != "1.0" and parser.should_keep_alive() and not parser.should_upgrade()
        method = parser.get_method().decode("ascii")
        body = self._body if isinstance(self._body, bytes) else bytes(self._body)
        request = Request(method, self._path, self._query, self._headers, body, version, keeps_alive)
        self.is_receiving = self.awaits_continue = False
        self._begin()
        self._on_request(request)

    def _is_too_large(self, length: bytes) -> bool:
        if not length.isdigit():
            self._stop_with(400, _MALFORMED)
        # int() refuses thousands of digits, even if they are zeros.
        length = length.lstrip(b"0")
        return len(length) > 19 or int(length or b"0") > self._limits.body_bytes

    def _refuse_size(self) -> None:
        self._stop_with(413, b"the body is larger than %d bytes\n" % self._limits.body_bytes)

    def _stop_with(self, code: int, reason: bytes) -> None:
        self.refuse(code, reason)
        raise _StopParsing
