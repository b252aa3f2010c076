"""A listener: accepts connections, and stops without losing a request.

We accept sockets ourselves, not through asyncio, so that we can close old connections to make room for new ones, and
accept everything in the kernel's queue before a stop.

A stop without losses has two steps. After `drain`, each answer has `Connection: close`, and the listener still accepts
connections; wait until no new client is sent here. `stop` then closes the idle connections.

Errors: `ListenError`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from webhook.errors import WebhookError
from webhook.server.http import heap
from webhook.server.http.connection import HttpConnection
from webhook.server.http.limits import Limits
from webhook.server.http.shared import Shared

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp

    from webhook.server.http.answer import Handler
    from webhook.server.http.request_reader import Refusal

logger = logging.getLogger(__name__)

DEFAULT_LIMITS: Final = Limits()

LONGEST_TICK = 1.0  # seconds; also the greatest age of a Date header
STOP_POLL = 0.02  # seconds
ABORT_TIME = 1.0  # seconds for the application to end after we aborted its connections
CLOSED_TO_TRIM = 64  # connections; the buffers of fewer are not worth the time
ACCEPT_AT_ONCE = 64  # connections accepted in one turn of the loop
ACCEPT_PAUSE = 0.5  # seconds, when the process is out of file descriptors or memory
# Bytes in the kernel for each connection; the kernel doubles this for its own bookkeeping. A review fits in.
RECEIVE_BUFFER = 64 * 1024

_ERROR_HINTS: Final = {
    errno.EADDRINUSE: "the port is in use",
    errno.EACCES: "not permitted: choose a port above 1023, or add the capability NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "no interface has this address",
}


class ListenError(WebhookError):
    """The listener cannot start; the message gives the reason in one line."""


def _ignore(_refusal: Refusal) -> None:
    """The default of `on_refusal`."""


class Listener:
    """Serves an ASGI application over HTTP/1.1 on one address and port, with TLS if `tls` is set.

    `address` is an IPv4 or IPv6 literal; `""` and `"::"` mean every address of both families, `"0.0.0.0"` every IPv4
    address. Port 0 means any free port. `handlers` answer the requests for a path instead of the application. The
    listener calls `on_refusal` for each request that it refuses by itself. Several listeners may share an event loop.
    """

    def __init__(
        self,
        application: ASGIApp,
        *,
        address: str,
        port: int,
        tls: ssl.SSLContext | None,
        limits: Limits = DEFAULT_LIMITS,
        handlers: Mapping[bytes, Handler] = MappingProxyType({}),
        on_refusal: Callable[[Refusal], None] = _ignore,
    ) -> None:
        self._address = address
        self._port = port
        self._limits = limits
        self._shared = Shared(application, handlers, tls, limits, on_refusal)
        self.occupancy = self._shared.occupancy
        # Since the last trim of the heap.
        self._most_connections = 0
        self._socket: socket.socket | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def open_connections(self) -> int:
        """The number of open connections, TLS handshakes in progress included."""
        return len(self.occupancy.connections)

    @property
    def failed_handshakes(self) -> int:
        """The number of connections that ended during their TLS handshake."""
        return self._shared.handshakes.failed

    async def start(self) -> int:
        """Starts to listen, and returns the port.

        Raises `ListenError` if the address is invalid, or if the port is in use or not permitted.
        """
        self._socket = _listen(self._address, self._port, self._limits.backlog)
        self._tick()
        asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket, ACCEPT_AT_ONCE)
        return cast("int", self._socket.getsockname()[1])

    def drain(self) -> None:
        """Adds `Connection: close` to each answer from now on; still accepts new connections."""
        self._shared.is_draining = True

    async def stop(self, grace: float) -> None:
        """Stops listening, closes idle connections, and aborts the remaining ones after `grace` seconds.

        A connection that is younger than `Limits.settle_time` may still send its first request.
        """
        if self._socket is None:
            return
        self.drain()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace
        self._stop_listening(self._socket)
        self._socket = None
        await self._wait_closed(deadline)
        if self._busy:
            cut = sum(connection.phase != "closing" for connection in self._connections)
            if cut or self._shared.tasks:
                logger.warning("stopping: aborted %d connections after %g s", cut, grace)
            for connection in self._connections:
                connection.abort()
            for task in self._shared.tasks:
                task.cancel()
            await self._wait_closed(loop.time() + ABORT_TIME)
        self._timers.pop("tick").cancel()

    @property
    def _connections(self) -> list[HttpConnection]:
        return cast("list[HttpConnection]", list(self.occupancy.connections))

    @property
    def _busy(self) -> bool:
        return bool(self.open_connections or self._shared.tasks)

    async def _wait_closed(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        while self._busy:
            now = loop.time()
            for connection in self._connections:
                connection.close_if_idle(now)
            if now >= deadline:
                return
            await asyncio.sleep(STOP_POLL)

    def _stop_listening(self, listening: socket.socket) -> None:
        # When the socket closes, the kernel resets the connections in its queue: accept all of them first.
        self._accept(listening, self._limits.backlog)
        asyncio.get_running_loop().remove_reader(listening)
        if "accept" in self._timers:
            self._timers.pop("accept").cancel()
        listening.close()

    def _accept(self, listening: socket.socket, count: int) -> None:
        """Accepts up to `count` connections from the kernel's queue."""
        for _ in range(count):
            try:
                conn, peer = listening.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError as error:
                self._pause_accepting(listening, error)
                return
            conn.setblocking(False)
            if not self.occupancy.has_place(self._shared.loop.time()):
                conn.close()
                continue
            connection = HttpConnection(self._shared, conn, peer)
            self.occupancy.connections.add(connection)
            self._shared.run(self._establish(connection, conn))

    def _pause_accepting(self, listening: socket.socket, error: OSError) -> None:
        logger.warning("Cannot accept connections, trying again in %g s: %s", ACCEPT_PAUSE, error.strerror)
        loop = asyncio.get_running_loop()
        # Readers are level-triggered: if it stayed, it would spin until a descriptor is free.
        loop.remove_reader(listening)
        again = partial(loop.add_reader, listening, self._accept, listening, ACCEPT_AT_ONCE)
        self._timers["accept"] = loop.call_later(ACCEPT_PAUSE, again)

    async def _establish(self, connection: HttpConnection, conn: socket.socket) -> None:
        """Connects an accepted socket to its protocol."""
        try:
            await self._shared.loop.connect_accepted_socket(lambda: connection, conn)
        except OSError as error:
            logger.debug("an accepted connection has already ended: %s", error)
            self.occupancy.leave(connection)
            conn.close()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        limits = self._limits
        shortest = min(limits.request_timeout, limits.idle_timeout, limits.stall_timeout)
        self._timers["tick"] = loop.call_later(min(LONGEST_TICK, shortest / 4), self._tick)
        self._shared.tell_time()
        now = loop.time()
        for connection in self._connections:
            connection.enforce_deadline(now)
        self._trim_heap()

    def _trim_heap(self) -> None:
        """Returns memory to the system after a burst of connections."""
        self._most_connections = max(self._most_connections, self.open_connections)
        if self._most_connections - self.open_connections >= CLOSED_TO_TRIM:
            self._most_connections = self.open_connections
            heap.trim()


def check_port(address: str, port: int) -> None:
    """Checks that a listener could start at this address and port now. Raises `ListenError` if not."""
    _listen(address, port, backlog=1).close()


def _listen(address: str, port: int, backlog: int) -> socket.socket:
    """Returns a listening socket. Raises `ListenError`."""
    every = address in {"", "::"}
    dual_stack = every and socket.has_dualstack_ipv6()
    if every:
        address = "::" if dual_stack else "0.0.0.0"  # noqa: S104  # the caller asked for every address
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    try:
        found = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError) as error:
        raise ListenError(f"Cannot listen on {where}: not an IP address") from error
    family, _, _, _, (host, _, *scope) = found[0]
    listening = None
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual_stack else 1)
        listening.bind((host, port, *scope))
        listening.listen(backlog)
    except (OSError, OverflowError) as error:
        if listening is not None:
            listening.close()
        reason = _ERROR_HINTS.get(getattr(error, "errno", None) or 0, str(error))
        raise ListenError(f"Cannot listen on {where}: {reason}") from error
    return listening
