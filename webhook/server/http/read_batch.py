"""What arrives in one turn of the event loop is handled together: first all reads, then all decisions and writes.

Handled connection by connection, the kernel, TLS and the decision push one another out of the CPU's caches each time.
Under load that costs more than the decision itself.
"""

import asyncio
from typing import Final, Protocol

# A batch holds at most some 30 reviews. More gains nothing, and a flood must not fill our memory.
_MAX_BYTES: Final = 256 * 1024


class Reader(Protocol):
    """A connection on which something has arrived."""

    def handle(self, data: bytes) -> None:
        """Handles `data`, and keeps the last answer. Does not raise."""

    def flush(self) -> None:
        """Sends the answer that was kept."""


class ReadBatch:
    """The reads of this turn of the loop."""

    def __init__(self) -> None:
        self._reads: list[tuple[Reader, bytes]] = []
        self._size = 0

    def add(self, reader: Reader, data: bytes) -> None:
        """Handles `data` at the end of this turn, or now if the batch is full."""
        if not self._reads:
            asyncio.get_running_loop().call_soon(self.handle)
        self._reads.append((reader, data))
        self._size += len(data)
        if self._size > _MAX_BYTES:
            self.handle()

    def handle(self) -> None:
        """Handles now what has arrived so far."""
        reads, self._reads, self._size = self._reads, [], 0
        for reader, data in reads:
            reader.handle(data)
        for reader, _ in reads:
            reader.flush()
