"""A complete request, and the answer to it."""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeAlias

Headers: TypeAlias = list[tuple[bytes, bytes]]


class Request(NamedTuple):
    """A request: the method, the target's raw path and query, the headers (names in lower case), and the body.

    `keeps_alive` says whether the client allows more requests on the connection.
    """

    method: str
    path: bytes
    query: bytes
    headers: Headers
    body: bytes
    version: str
    keeps_alive: bool


class HttpAnswer(NamedTuple):
    """Status, headers except Content-Length, and body; `closes` says that we must close the connection afterwards."""

    code: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    closes: bool = False


# Returns the answer, or a coroutine that returns it. Neither raises.
Handler: TypeAlias = Callable[[Request], HttpAnswer | Coroutine[Any, Any, HttpAnswer]]
