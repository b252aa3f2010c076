"""Counts the connections of a listener and the memory of their bodies, and makes room when a limit is reached.

Anybody who can reach the port can open connections, keep them idle, and start bodies that never end. None of that may
lock out an API server. We do not limit by client address, because all API servers behind a tunnel share one.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from webhook.server.http.connection import Phase
    from webhook.server.http.limits import Limits

# It takes some 0.2 ms to find the quietest among 1,024 connections, so we close several at a time.
_GIVE_WAY_AT_ONCE: Final = 16


class Occupant(Protocol):
    """A connection as Occupancy sees it.

    `held` counts the bytes of its request bodies that are not answered yet.
    """

    held: int

    @property
    def phase(self) -> Phase:
        """What the connection is doing."""

    @property
    def quiet_since(self) -> float:
        """The loop's time when the client last made progress."""

    @property
    def body_size(self) -> int:
        """The received bytes of an incomplete body."""

    def give_way(self) -> bool:
        """Closes the connection, unless a request is about to come. Returns whether it closed."""

    def refuse_body(self) -> None:
        """Refuses the request whose body is incomplete, and frees its memory."""


class Occupancy:
    """The connections of one listener, and the memory of their bodies."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.connections: set[Occupant] = set()
        self.body_memory = 0
        self.refused_connections = 0
        self.evicted_connections = 0
        self.refused_bodies = 0

    def has_place(self, now: float) -> bool:
        """Whether there is room for one more connection, if needed after closing quiet ones. Counts it if not."""
        if len(self.connections) >= self._limits.max_connections:
            self._evict(now)
            if len(self.connections) >= self._limits.max_connections:
                self.refused_connections += 1
                return False
        return True

    def leave(self, connection: Occupant) -> None:
        """Removes a closed connection."""
        self.connections.discard(connection)

    def _evict(self, now: float) -> None:
        """Closes quiet connections: first those that owe us input, then idle ones, the longest quiet first.

        Idle ones come last, because an API server does not retry a request if we close the connection as it sends it.
        """
        quiet_before = now - self._limits.give_way_after
        quiet = [
            (connection.phase == "idle", connection.quiet_since, id(connection), connection)
            for connection in self.connections
            if connection.quiet_since < quiet_before and connection.phase != "answering"
        ]
        for *_, connection in heapq.nsmallest(_GIVE_WAY_AT_ONCE, quiet):
            if connection.give_way():
                self.evicted_connections += 1
                # The connection closes in the loop's next turn, but its place is free now.
                self.leave(connection)

    def hold(self, connection: Occupant, size: int) -> None:
        """Records that `connection` holds `size` bytes of bodies. Refuses the slowest bodies if memory is full."""
        grows = size > connection.held
        self.body_memory += size - connection.held
        connection.held = size
        while grows and self.body_memory > self._limits.body_memory:
            receiving = [one for one in self.connections if one.body_size]
            if not receiving:
                # All other bodies are complete: we must answer them.
                return
            self.refused_bodies += 1
            min(receiving, key=lambda one: one.quiet_since).refuse_body()
