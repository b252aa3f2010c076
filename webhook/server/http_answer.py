"""An HTTP answer as a whole, for requests that need no waiting."""

from typing import NamedTuple


class HttpAnswer(NamedTuple):
    """Status, headers beside Content-Length, and body; whether the connection cannot be used after it."""

    code: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    closes: bool = False
