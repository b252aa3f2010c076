"""Limits for the clients of a listener: time, memory and connections.

`request_reader.py` enforces the sizes of one request, `connection.py` the times of one connection, and `occupancy.py`
the limits of all connections together.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for the clients of a listener. Times are in seconds; each tick (at most 1 s) checks them."""

    handshake_timeout: float = 10.0
    """From the accepted connection to the end of its TLS handshake."""

    request_timeout: float = 10.0
    """From the first byte of a request to the end of its body, and from the connection to its first request."""

    idle_timeout: float = 120.0
    """From an answer to the next request. This must exceed 90 s: the Kubernetes API server reuses connections that
    were idle for up to 90 s, and does not retry a POST if we close the connection at the same moment."""

    stall_timeout: float = 5.0
    """How long the client may take to acknowledge data, and to close its side after we closed ours."""

    settle_time: float = 1.0
    """During a stop: how long a new connection may wait for its first request before it counts as idle."""

    header_bytes: int = 65536
    """Request line and headers of one request, or its trailers. We may notice an excess one socket read late."""

    body_bytes: int = 7 * 1024 * 1024
    """The body of one request. etcd accepts objects of 1.5 MiB; a review holds one, escaped, and some other fields."""

    body_memory: int = 128 * 1024 * 1024
    """The bodies of all requests that are not answered yet. If they exceed this, we refuse the incomplete body that
    has made no progress for the longest time."""

    max_connections: int = 1024
    """Open connections, TLS handshakes included; we close the quietest ones to make room. An API server opens at most
    200 by default, one for each mutating request in flight. Each takes 60 kB and its part of `body_memory`."""

    give_way_after: float = 1.0
    """How long a connection must have been quiet before we may close it to make room. A request takes milliseconds."""

    backlog: int = 2048
    """How many connections the kernel queues until we accept them (it caps this at net.core.somaxconn)."""
