"""The connections of a listener, the memory that their bodies hold, and who gives way when either is full.

Whoever can reach the port can open connections, keep them idle, and start bodies that never end. None of that may keep
an API server out. There are no shares by client address: behind a tunnel all API servers have the same one.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from webhook.server.http.connection import Phase
    from webhook.server.http.limits import Limits

# To look for the quietest takes some 0.2 ms with 1,024 connections, so several give way at a time.
_GIVE_WAY_AT_ONCE: Final = 16


class Occupant(Protocol):
    """A connection, as far as it takes place.

    `held` are the bytes of the bodies that came on it and are not answered yet.
    """

    held: int

    @property
    def phase(self) -> Phase:
        """What it is doing."""

    @property
    def quiet_since(self) -> float:
        """When its client last did what is expected of it, in the loop's time."""

    @property
    def body_size(self) -> int:
        """The bytes that have come of the body under way."""

    def give_way(self) -> bool:
        """Closes it, unless a request is about to come; whether it did."""

    def refuse_body(self) -> None:
        """Refuses the request whose body is under way, and frees its memory."""


class Occupancy:
    """The connections and bodies of one listener."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.connections: set[Occupant] = set()
        self.body_memory = 0
        self.refused_connections = 0
        self.evicted_connections = 0
        self.refused_bodies = 0

    def has_place(self, now: float) -> bool:
        """Whether one more connection may come. The quietest ones give way to it; if none can, it is counted."""
        if len(self.connections) >= self._limits.max_connections:
            self._evict(now)
            if len(self.connections) >= self._limits.max_connections:
                self.refused_connections += 1
                return False
        return True

    def leave(self, connection: Occupant) -> None:
        """Notes that `connection` is gone."""
        self.connections.discard(connection)

    def _evict(self, now: float) -> None:
        """Closes connections that keep us waiting, the longest first; then those that are idle, the longest first.

        An API server does not retry a request that crosses our close on an idle connection, so those come last.
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
                # It is closed in the loop's next turn; its place is free now.
                self.leave(connection)

    def hold(self, connection: Occupant, size: int) -> None:
        """Notes that `connection` holds `size` bytes of bodies. Those without progress give way if that is too much."""
        grows = size > connection.held
        self.body_memory += size - connection.held
        connection.held = size
        while grows and self.body_memory > self._limits.body_memory:
            receiving = [one for one in self.connections if one.body_size]
            if not receiving:
                # What is left is being answered.
                return
            self.refused_bodies += 1
            min(receiving, key=lambda one: one.quiet_since).refuse_body()
