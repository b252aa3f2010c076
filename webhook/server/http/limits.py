"""What the clients of a listener may take from it: time, memory and connections."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What the clients of a listener may take; times are in seconds and noticed at its next tick (1 s at most)."""

    handshake_timeout: float = 10.0
    """From the accepted connection to the end of its TLS handshake."""

    request_timeout: float = 10.0
    """To receive a request, body included: from its first byte, for the first one from the start of the connection."""

    idle_timeout: float = 120.0
    """From an answer to the next request. The Kubernetes API server reuses connections idle for up to 90 s, and does
    not retry a POST that crosses our close: this must be longer."""

    stall_timeout: float = 5.0
    """For the client to acknowledge what was sent, and to close its side of a connection closed here."""

    settle_time: float = 1.0
    """While stopping: how long a new connection may take to bring its first request before it counts as idle."""

    header_bytes: int = 65536
    """Request line and headers of one request, or its trailers; noticed at most one read of the socket late."""

    body_bytes: int = 7 * 1024 * 1024
    """The body of one request. etcd takes objects of 1.5 MiB; a review holds one, escaped, with what surrounds it."""

    body_memory: int = 128 * 1024 * 1024
    """The bodies of all requests that are not answered yet. When it is full, the body that has made no progress for
    the longest time gives way."""

    max_connections: int = 1024
    """Open connections, TLS handshakes included; the longest idle ones give way to new ones. An API server opens 200
    at most by default, one for each mutating request in flight. Each takes 60 kB, and its part of `body_memory`."""

    give_way_after: float = 1.0
    """How long a connection must have been quiet before it gives way to a new one. A request takes milliseconds."""

    backlog: int = 2048
    """Connections the kernel holds until they are accepted (it caps this at net.core.somaxconn)."""
