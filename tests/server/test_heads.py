"""Heads of requests that came before: what is kept of them, and for which requests that holds."""

import pytest

from webhook.server.heads import Head, Heads

HEADERS = [(b"host", b"webhook"), (b"content-length", b"4")]
SCOPE = {"method": "POST", "path": "/mutate", "headers": HEADERS}
HEAD = b"POST /mutate HTTP/1.1\r\nHost: webhook\r\nContent-Length: 4\r\n\r\n"


def padded(size: int) -> bytes:
    """A head of so many bytes."""
    start = HEAD.removesuffix(b"\r\n") + b"X: "
    return start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"


def test_a_head_is_known_once_it_was_learned_whatever_follows_it() -> None:
    heads = Heads()
    assert heads.find(HEAD + b"body") is None
    heads.learn(HEAD + b"body", len(HEAD), SCOPE)
    known = Head(SCOPE, len(HEAD), len(HEAD) + 4)
    for rest in (b"", b"bo", b"body", b"BODY" * 9, b"\r\n\r\n"):
        assert heads.find(HEAD + rest) == known


@pytest.mark.parametrize(
    "data",
    [b"", b"POS", HEAD[:-1], b"\r\n" + HEAD, HEAD.replace(b"4", b"5"), HEAD.lower(), HEAD[1:], b"\r\n\r\n" + HEAD],
)
def test_another_head_is_not_known(data: bytes) -> None:
    heads = Heads()
    heads.learn(HEAD, len(HEAD), SCOPE)
    assert heads.find(data) is None


@pytest.mark.parametrize(
    ("data", "size", "headers"),
    [
        pytest.param(HEAD, len(HEAD) + 1, HEADERS, id="something came between or behind"),
        pytest.param(HEAD[5:], len(HEAD), HEADERS, id="only its end"),
        pytest.param(b"", len(HEAD), HEADERS, id="its start is not there"),
        pytest.param(b"POST / HTTP/1.1\n\nbo\r\n\r\n", 17, HEADERS, id="ends in another way"),
        pytest.param(HEAD, len(HEAD), [(b"host", b"webhook")], id="without a length"),
        pytest.param(HEAD, len(HEAD), [*HEADERS, (b"content-length", b"4")], id="with two lengths"),
        pytest.param(HEAD, len(HEAD), [*HEADERS, (b"expect", b"100-continue")], id="waits for an answer"),
        pytest.param(HEAD, len(HEAD), [*HEADERS, (b"transfer-encoding", b"chunked")], id="chunked"),
        pytest.param(HEAD, len(HEAD), [*HEADERS, (b"upgrade", b"h2c")], id="upgrade"),
        pytest.param(HEAD, len(HEAD), [(b"content-length", b"65478")], id="a large body"),
        pytest.param(padded(1025), 1025, HEADERS, id="large itself"),
        pytest.param(HEAD, len(HEAD), [*HEADERS, *[(b"x", b"")] * 31], id="of many headers"),
    ],
)
def test_a_head_of_another_kind_is_not_learned(data: bytes, size: int, headers: list[tuple[bytes, bytes]]) -> None:
    heads = Heads()
    heads.learn(data, size, {**SCOPE, "headers": headers})
    assert heads.find(data) is None
    assert heads.find(HEAD) is None


def test_the_largest_head_and_the_largest_request_are_learned() -> None:
    heads = Heads()
    heads.learn(padded(1024), 1024, SCOPE)
    heads.learn(HEAD, len(HEAD), {**SCOPE, "headers": [(b"content-length", b"%d" % (65536 - len(HEAD)))]})
    assert heads.find(padded(1024) + b"body") == Head(SCOPE, 1024, 1028)
    known = heads.find(HEAD)
    assert known is not None
    assert known.request_size == 65536


def test_of_too_many_heads_the_oldest_goes() -> None:
    def numbered(number: int) -> bytes:
        return HEAD.replace(b"/mutate", b"/mutate?%d" % number)

    heads = Heads()
    for number in range(1025):
        heads.learn(numbered(number), len(numbered(number)), SCOPE)
    known = [number for number in range(1025) if heads.find(numbered(number)) is not None]
    assert known == list(range(1, 1025))
