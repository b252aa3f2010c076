"""A request that has come whole, and the answer to it."""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeAlias

Headers: TypeAlias = list[tuple[bytes, bytes]]


class Request(NamedTuple):
    """A request: the method, the target's raw path and query, the headers (names in lower case), and the body.

    `keeps_alive` says whether the client lets the connection be used again.
    """

    method: str
    path: bytes
    query: bytes
    headers: Headers
    body: bytes
    version: str
    keeps_alive: bool


class HttpAnswer(NamedTuple):
    """Status, headers beside Content-Length, and body; whether the connection must not be used after it."""

    code: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    closes: bool = False


# Answers a request at once, or returns what is to be awaited. Neither raises.
Handler: TypeAlias = Callable[[Request], HttpAnswer | Coroutine[Any, Any, HttpAnswer]]
