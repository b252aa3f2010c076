from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.api_server import bookmark, encoded, event, meta
from webhook.cluster import lines as module
from webhook.cluster.api_errors import MalformedAnswer, Unreachable
from webhook.cluster.collection import ObjectMeta
from webhook.cluster.lines import LongLine, lines

MOST = 20


async def chunks_of(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def lines_of(pieces: Iterable[bytes], most: int = MOST) -> list[bytes | LongLine]:
    return [line async for line in lines(chunks_of(pieces), most)]


async def long_line(text: bytes) -> LongLine:
    (line,) = await lines_of([text, b"\n"])
    assert isinstance(line, LongLine)
    return line


@st.composite
def texts_in_pieces(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    texts = draw(st.lists(st.binary(max_size=3 * MOST).map(lambda text: text.replace(b"\n", b"x"))))
    stream = b"".join(text + b"\n" for text in texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)))))
    return texts, [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@given(texts_in_pieces())
async def test_the_lines_are_the_same_however_they_are_cut(cut: tuple[list[bytes], list[bytes]]) -> None:
    texts, pieces = cut
    found = await lines_of(pieces)
    # How much of a long line's start is kept depends on the chunks.
    assert [line.size if isinstance(line, LongLine) else line for line in found] == [
        len(text) if len(text) > MOST else text for text in texts if text
    ]
    heads = [line.head for line in found if isinstance(line, LongLine)]
    long = [text for text in texts if len(text) > MOST]
    assert all(text.startswith(head) and head for text, head in zip(long, heads, strict=True))


async def test_of_a_long_line_only_its_start_is_kept() -> None:
    (line,) = await lines_of([b"x" * 1000] * 1000 + [b"\n"])
    assert line == LongLine(b"x" * 1000, 1_000_000)
    (line,) = await lines_of([b"x" * 1_000_000, b"\n"])
    assert line == LongLine(b"x" * 4096, 1_000_000)


async def test_a_line_that_is_cut_off_is_no_line() -> None:
    with pytest.raises(Unreachable, match="a watch ended in the middle of a line"):
        await lines_of([b"a\nb"])


async def test_a_line_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_PASSED_OVER", 1000)
    with pytest.raises(MalformedAnswer, match="a line of a watch is longer than 1000 bytes"):
        await lines_of([b"x" * 100] * 11)


FILLER = "<" * 5000


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED"])
async def test_a_long_line_identifies_its_object(kind: str) -> None:
    item = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"} | meta("app", "12", FILLER)
    assert (await long_line(encoded(event(kind, item)))).event() == (kind, ObjectMeta("app", "apps", "12"))


async def test_text_by_an_author_is_not_taken_for_the_name() -> None:
    deceit = '},"metadata":{"name":"victim","namespace":"kube-system","resourceVersion":"1"'
    metadata = {
        "name": "app",
        "generateName": "ap",
        "namespace": "apps",
        "uid": "3f",
        "resourceVersion": "12",
        "generation": 1,
        "annotations": {"name": "victim", "namespace": "victim", "resourceVersion": "13", "x": deceit + FILLER},
        "ownerReferences": [{"apiVersion": "v1", "kind": deceit, "name": "victim", "resourceVersion": "14"}],
    }
    assert (await long_line(encoded(event("ADDED", {"metadata": metadata})))).event().meta == ObjectMeta(
        "app", "apps", "12"
    )


@pytest.mark.parametrize(
    "text",
    [
        b"x" * 5000,
        encoded(event("ERROR", {"kind": "Status", "message": FILLER})),
        encoded({"object": meta("app", "12", FILLER), "type": "ADDED"}),
        encoded(event("ADDED", {"metadata": {"annotations": {"x": FILLER}, "name": "app", "resourceVersion": "1"}})),
        encoded(event("ADDED", {"metadata": {"name": "app", "x": FILLER}})),
        encoded(bookmark("1" * 5000)),
    ],
)
async def test_a_long_line_that_does_not_identify_its_object_is_malformed(text: bytes) -> None:
    with pytest.raises(
        MalformedAnswer, match=rf"a line of a watch has {len(text)} bytes and does not start with a nam"
    ):
        (await long_line(text)).event()
