"""What one client may take from a listener: time, bytes and connections."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take from a listener; times are in seconds and noticed at its next tick (1 s at most)."""

    handshake_timeout: float = 10.0
    """From the accepted connection to the end of its TLS handshake."""

    request_timeout: float = 10.0
    """To receive a request, body included: from its first byte, for the first one from the start of the connection."""

    idle_timeout: float = 120.0
    """From an answer to the next request. The Kubernetes API server reuses connections idle for up to 90 s, and does
    not retry a POST that crosses our close: this must be longer."""

    stall_timeout: float = 5.0
    """For the client to read what was sent, and to close its side of a connection closed here."""

    settle_time: float = 1.0
    """While stopping: how long a new connection may take to bring its first request before it counts as idle."""

    header_bytes: int = 65536
    """Request line and headers of one request, or its trailers; noticed at most one read of the socket late."""

    max_connections: int = 1024
    """Open connections, TLS handshakes under way included; the next one is closed at once. An API server has 200 at
    most by default, one for each mutating request under way; each takes 50 kB, and up to 330 kB with a body."""

    backlog: int = 2048
    """Connections the kernel holds until they are accepted (it caps this at net.core.somaxconn)."""
