"""Splits a watch into lines. Of a line that is too long, it keeps only the first bytes, which identify the object."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from webhook.cluster.api_errors import MalformedAnswer, Unreachable
from webhook.cluster.collection import ObjectMeta

# Enough for the type, name, generateName, namespace and resourceVersion of an event: a name has at most 253 bytes, a
# namespace at most 63.
_HEAD: Final = 4096
# Skipping a line costs only time. No object that the API server accepts makes a line of even a third of this length.
_MAX_PASSED_OVER: Final = 64 * 1024 * 1024

# The API server writes the members of an event, an object and its metadata in the order of the Go types: the members
# that we need come before those that an author can make long.
# https://github.com/kubernetes/apimachinery/blob/v0.36.0/pkg/apis/meta/v1/types.go (ObjectMeta), watch.go (WatchEvent)
_MEMBER: Final = rb'"([A-Za-z]+)":"([^"\\]*)",'
_MEMBERS: Final = re.compile(_MEMBER)
_RUN: Final = rb'(?:"[A-Za-z]+":"[^"\\]*",)*+'
_EVENT: Final = re.compile(rb'\{"type":"([A-Z]+)","object":\{%b"metadata":\{(%b)' % (_RUN, _RUN))


class EventHead(NamedTuple):
    """The type and metadata from the first bytes of an event."""

    type: str
    meta: ObjectMeta


@dataclass(frozen=True, slots=True)
class LongLine:
    """The first bytes of a line that is too long; the whole line has `size` bytes."""

    head: bytes
    size: int

    def event(self) -> EventHead:
        """Parses the event's type and metadata. Raises MalformedAnswer if the first bytes do not hold them."""
        found = _EVENT.match(self.head)
        members = dict(_MEMBERS.findall(found[2])) if found is not None else {}
        values = (members.get(key, b"") for key in (b"name", b"namespace", b"resourceVersion"))
        meta = ObjectMeta(*(value.decode(errors="replace") for value in values))
        if found is None or not meta.name or not meta.resourceVersion:
            raise MalformedAnswer(f"a line of a watch has {self.size} bytes and does not start with a name")
        return EventHead(found[1].decode(), meta)


async def lines(chunks: AsyncIterator[bytes], max_line: int) -> AsyncIterator[bytes | LongLine]:
    """Yields all lines that are not empty, without their line ends.

    Raises Unreachable if the stream ends within a line, MalformedAnswer if a line is longer than 64 MiB.
    """
    line = _Line(max_line)
    async for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line.add(end)
            if line.size:
                yield line.take()
                line = _Line(max_line)
        line.add(rest)
    if line.size:
        raise Unreachable("a watch ended in the middle of a line")


class _Line:
    """A line that is not complete yet."""

    def __init__(self, max_line: int) -> None:
        self._max_line = max_line
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, part: bytes) -> None:
        is_long = self.size > self._max_line
        self.size += len(part)
        if self.size > _MAX_PASSED_OVER:
            raise MalformedAnswer(f"a line of a watch is longer than {_MAX_PASSED_OVER} bytes")
        if not is_long:
            self._parts.append(part)
            if self.size > self._max_line:
                self._parts = [b"".join(self._parts)[:_HEAD]]

    def take(self) -> bytes | LongLine:
        text = b"".join(self._parts)
        return LongLine(text, self.size) if self.size > self._max_line else text
