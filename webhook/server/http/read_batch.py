"""Handles all data of one turn of the event loop together: first all reads, then all decisions and writes.

If we alternated between reads, decisions and writes, they would evict one another from the CPU's caches. Under load,
that costs more than the decision itself.
"""

import asyncio
from typing import Final, Protocol

# Some 30 reviews. A larger batch gains nothing, and a flood must not fill our memory.
_MAX_BYTES: Final = 256 * 1024


class Reader(Protocol):
    """A connection that has received data."""

    def handle(self, data: bytes) -> None:
        """Handles `data`, and keeps the last answer. Never raises."""

    def flush(self) -> None:
        """Sends the kept answer."""


class ReadBatch:
    """The reads of this turn of the loop."""

    def __init__(self) -> None:
        self._reads: list[tuple[Reader, bytes]] = []
        self._size = 0

    def add(self, reader: Reader, data: bytes) -> None:
        """Adds `data`; the batch is handled at the end of this turn, or now if it is full."""
        if not self._reads:
            asyncio.get_running_loop().call_soon(self.handle)
        self._reads.append((reader, data))
        self._size += len(data)
        if self._size > _MAX_BYTES:
            self.handle()

    def handle(self) -> None:
        """Handles the batch now."""
        reads, self._reads, self._size = self._reads, [], 0
        for reader, data in reads:
            reader.handle(data)
        for reader, _ in reads:
            reader.flush()
