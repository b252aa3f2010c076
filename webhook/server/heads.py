"""Heads of requests that came before, byte for byte: the API server's differ in nothing but Content-Length."""

from typing import Any, Final, NamedTuple

# Per listener: some 5 MB where each is as large as may be; the API server's have 7 headers in 250 bytes.
_MAX_KEPT: Final = 1024
_MAX_HEAD: Final = 1024
_MAX_HEADERS: Final = 32
# A longer request is rare, and what is known of its head does not make it quick.
_MAX_REQUEST: Final = 64 * 1024

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length"
# With these, more is to be done for a head than to wait for its body.
_TELLING: Final = frozenset({b"expect", b"transfer-encoding", b"upgrade"})


class Head(NamedTuple):
    """What the parser made of a head: the members of ASGI's scope that it tells, its size, and the whole request's."""

    scope: dict[str, Any]
    size: int
    request_size: int


class Heads:
    """What the parser made of heads before.

    To parse one takes nearly as long as to decide. The same bytes mean the same each time, so that is looked up; kept
    are so many of so many bytes at most, and the oldest goes first.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def find(self, data: bytes) -> Head | None:
        """What is known of the head that `data` starts with, where a request starts there."""
        # Where there is no end these are three bytes, which are no head.
        return self._known.get(data[: data.find(_END, 0, _MAX_HEAD) + 4])

    def learn(self, data: bytes, size: int, scope: dict[str, Any]) -> None:
        """Keeps the head that `data` starts with, which took the parser `size` bytes, if it is of the usual kind.

        `scope` has what the parser made of it (`method`, `path` and `headers`); the connection remains usable behind
        such a request.
        """
        if data.find(_END, 0, _MAX_HEAD) + 4 != size or len(scope["headers"]) > _MAX_HEADERS:
            return
        lengths = [int(value) for name, value in scope["headers"] if name == _LENGTH]
        if len(lengths) != 1 or size + lengths[0] > _MAX_REQUEST:
            return
        if any(name in _TELLING for name, _ in scope["headers"]):
            return
        if len(self._known) >= _MAX_KEPT:
            del self._known[next(iter(self._known))]
        self._known[data[:size]] = Head(scope, size, size + lengths[0])
