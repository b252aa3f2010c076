"""One turn of the event loop: what arrived in it is taken up together, and then what is due is sent."""

import asyncio
import logging
from typing import Final, Protocol

logger = logging.getLogger(__name__)

# What one turn may keep: some 30 reviews. More brings nothing, and a storm must not fill our memory.
_MAX_BYTES: Final = 256 * 1024


class Connection(Protocol):
    """What takes part in a turn."""

    loop: asyncio.AbstractEventLoop

    def take_up(self, data: bytes) -> None:
        """Reads, decides, and keeps the last answer."""

    def send(self) -> None:
        """Sends the answer that is kept."""

    def abort(self) -> None:
        """Ends the connection after a bug."""


class Turn:
    """First all reads, then all decisions, then all writes.

    By connection instead, the kernel, TLS and the decision push one another out of the CPU's caches each time: under
    load that costs more than the decision itself.
    """

    def __init__(self) -> None:
        self._arrived: list[tuple[Connection, bytes]] = []
        self._size = 0

    def add(self, connection: Connection, data: bytes) -> None:
        """Takes what arrived for a connection up at the end of this turn."""
        if not self._arrived:
            connection.loop.call_soon(self.end)
        self._arrived.append((connection, data))
        self._size += len(data)
        if self._size > _MAX_BYTES:
            self.end()

    def end(self) -> None:
        """Takes up at once what has arrived. Does nothing where nothing has."""
        arrived, self._arrived, self._size = self._arrived, [], 0
        for connection, data in arrived:
            try:
                connection.take_up(data)
            except Exception:
                # The others have nothing to do with it.
                logger.exception("a connection ends: a bug in the webhook")
                connection.abort()
        for connection, _ in arrived:
            connection.send()
