"""A listener: accepts connections, and stops without losing a request.

It uses uvicorn's protocol and not its server, which closes idle connections before it tells anyone, takes over the
signals, and counts no TLS handshake. Accepting by hand bounds the handshakes too.

A stop that loses nothing has two steps. `drain` makes every answer carry `Connection: close` while connections are
still accepted; keep it up until no client is sent here any more. `stop` then closes what was idle all that time.

Errors: `ListenError`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from uvicorn.config import Config

from webhook.errors import WebhookError
from webhook.server import heap
from webhook.server.at_once import Answer, AtOnceProtocol, SharedAnswers
from webhook.server.limits import Limits
from webhook.server.protocol import BoundedProtocol, SharedState

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from starlette.types import ASGIApp
    from uvicorn._types import ASGIApplication

logger = logging.getLogger(__name__)

DEFAULT_LIMITS: Final = Limits()

LONGEST_TICK = 1.0  # seconds; also the greatest age of a Date header
STOP_POLL = 0.02  # seconds
ABORT_TIME = 1.0  # seconds for the application to end after its connections were aborted
CLOSED_TO_TRIM = 64  # connections; the buffers of fewer are not worth the time
ACCEPT_PAUSE = 0.5  # seconds, when the process is out of file descriptors or memory

REASONS: Final = {
    errno.EADDRINUSE: "the port is in use",
    errno.EACCES: "not permitted: choose a port above 1023, or add the capability NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "no interface has this address",
}


class ListenError(WebhookError):
    """The listener cannot start; the message is one line and says why."""


class Listener:
    """Serves an ASGI application over HTTP/1.1, with TLS where `tls` is given, on one address and port.

    `address` is an IPv4 or IPv6 literal; `""` and `"::"` mean every address of both families, `"0.0.0.0"` every IPv4
    address. Port 0 takes any free one. `at_once` may answer requests whose body is there in place of the application.
    Several listeners may share an event loop: nothing here is process-wide.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        address: str,
        port: int,
        tls: ssl.SSLContext | None,
        limits: Limits = DEFAULT_LIMITS,
        at_once: Answer | None = None,
    ) -> None:
        self.refused_connections = 0
        self.failed_handshakes = 0
        self._address = address
        self._port = port
        self._tls = tls
        self._limits = limits
        self._at_once = SharedAnswers(at_once) if at_once is not None else None
        # log_config and workers are given so that neither uvicorn's logging setup nor WEB_CONCURRENCY has a say.
        self._config = Config(
            cast("ASGIApplication", app),
            interface="asgi3",
            lifespan="off",
            ws="none",
            proxy_headers=False,
            log_config=None,
            workers=1,
        )
        self._state = SharedState()
        self._connections = cast("set[BoundedProtocol]", self._state.connections)
        self._handshakes: set[asyncio.Task[None]] = set()
        self._draining = False
        # Since the heap was trimmed.
        self._most_connections = 0
        self._socket: socket.socket | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def open_connections(self) -> int:
        """Connections accepted and not yet closed, TLS handshakes under way included."""
        return len(self._connections) + len(self._handshakes)

    async def start(self) -> int:
        """Listens, and returns the port.

        Raises `ListenError` when the address is none, or the port is taken or not permitted.
        """
        self._socket = _listen(self._address, self._port, self._limits.backlog)
        self._config.load()
        self._tick()
        asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket)
        return cast("int", self._socket.getsockname()[1])

    def drain(self) -> None:
        """From now on each answer carries `Connection: close`; new connections are still taken."""
        self._draining = True
        self._set_headers()

    async def stop(self, grace: float) -> None:
        """Stops listening, closes idle connections, and aborts what is not answered after `grace` seconds.

        A connection accepted less than `Limits.settle_time` ago may still bring its first request.
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
            cut = sum(not connection.transport.is_closing() for connection in self._connections)
            if cut or self._state.tasks:
                logger.warning("Stopping: aborted %d connections after %g s", cut, grace)
            for connection in tuple(self._connections):
                connection.transport.abort()
            for task in self._handshakes | self._state.tasks:
                task.cancel()
            await self._wait_closed(loop.time() + ABORT_TIME)
        self._timers.pop("tick").cancel()

    @property
    def _busy(self) -> bool:
        return bool(self.open_connections or self._state.tasks)

    async def _wait_closed(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        while self._busy:
            now = loop.time()
            for connection in tuple(self._connections):
                connection.close_if_idle(now)
            if now >= deadline:
                return
            await asyncio.sleep(STOP_POLL)

    def _stop_listening(self, listening: socket.socket) -> None:
        # The kernel resets what it still queues when the socket closes: take all of it first.
        self._accept(listening)
        asyncio.get_running_loop().remove_reader(listening)
        if "accept" in self._timers:
            self._timers.pop("accept").cancel()
        listening.close()

    def _accept(self, listening: socket.socket) -> None:
        """Takes the connections that wait in the kernel's queue."""
        for _ in range(self._limits.backlog):
            try:
                conn, _peer = listening.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError as error:
                self._pause_accepting(listening, error)
                return
            if self.open_connections >= self._limits.max_connections:
                self.refused_connections += 1
                conn.close()
                continue
            conn.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._establish(conn))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    def _pause_accepting(self, listening: socket.socket, error: OSError) -> None:
        logger.warning("Cannot accept connections, trying again in %g s: %s", ACCEPT_PAUSE, error.strerror)
        loop = asyncio.get_running_loop()
        # Level-triggered: left in place, the reader would spin until a descriptor is free.
        loop.remove_reader(listening)
        self._timers["accept"] = loop.call_later(ACCEPT_PAUSE, loop.add_reader, listening, self._accept, listening)

    async def _establish(self, conn: socket.socket) -> None:
        """Hands an accepted connection to its protocol, after the TLS handshake."""
        # Counted from here on as a connection, and no longer as a handshake.
        on_made = partial(self._handshakes.discard, cast("asyncio.Task[None]", asyncio.current_task()))
        timeouts = {}
        if self._tls is not None:
            timeouts["ssl_handshake_timeout"] = self._limits.handshake_timeout
            timeouts["ssl_shutdown_timeout"] = self._limits.stall_timeout
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                partial(self._protocol, conn, on_made),
                conn,
                ssl=self._tls,
                **timeouts,
            )
        except OSError as error:
            self.failed_handshakes += 1
            logger.debug("TLS handshake failed: %s", error)
            conn.close()

    def _protocol(self, conn: socket.socket, on_made: Callable[[], None]) -> BoundedProtocol:
        if self._at_once is None:
            return BoundedProtocol(self._config, self._state, self._limits, conn, on_made)
        return AtOnceProtocol(self._config, self._state, self._limits, conn, on_made, self._at_once)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        limits = self._limits
        shortest = min(limits.request_timeout, limits.idle_timeout, limits.stall_timeout)
        self._timers["tick"] = loop.call_later(min(LONGEST_TICK, shortest / 4), self._tick)
        self._set_headers()
        now = loop.time()
        for connection in tuple(self._connections):
            connection.enforce_deadline(now)
        self._trim_heap()

    def _trim_heap(self) -> None:
        """Gives the memory of connections back after a storm of them."""
        self._most_connections = max(self._most_connections, self.open_connections)
        if self._most_connections - self.open_connections >= CLOSED_TO_TRIM:
            self._most_connections = self.open_connections
            heap.trim()

    def _set_headers(self) -> None:
        headers = [(b"date", formatdate(usegmt=True).encode())]
        self._state.date_line = b"date: %s\r\n" % headers[0][1]
        self._state.is_draining = self._draining
        if self._draining:
            # uvicorn closes a connection after an answer with this header, whoever put it there.
            headers.append((b"connection", b"close"))
        # In place: requests under way hold this list, and read it when their answer starts.
        self._state.default_headers[:] = headers


def check_port(address: str, port: int) -> None:
    """Whether a listener could start there now. Raises `ListenError`."""
    _listen(address, port, backlog=1).close()


def _listen(address: str, port: int, backlog: int) -> socket.socket:
    """A listening socket. Raises `ListenError`."""
    every = address in {"", "::"}
    dual_stack = every and socket.has_dualstack_ipv6()
    if every:
        address = "::" if dual_stack else "0.0.0.0"  # noqa: S104  # every address is what was asked for
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
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual_stack else 1)
        listening.bind((host, port, *scope))
        listening.listen(backlog)
    except (OSError, OverflowError) as error:
        if listening is not None:
            listening.close()
        reason = REASONS.get(getattr(error, "errno", None) or 0, str(error))
        raise ListenError(f"Cannot listen on {where}: {reason}") from error
    return listening
