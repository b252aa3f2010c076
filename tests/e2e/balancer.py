"""A Service's ClusterIP, balanced as kube-proxy does: raw TCP, to ready replicas in turn; open connections stay."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")

_CHUNK: Final = 64 * 1024
_ASKED_EVERY: Final = 0.1


@dataclass(frozen=True)
class Backend:
    """One replica: its balanced port, and the port of its readiness probe; None means that it is ready."""

    port: int
    probe_port: int | None
    address: str = "127.0.0.1"


class Balancer:
    """Listens on port 443 of an address until closed; calls `backends` repeatedly for the current replicas.

    While no replica is ready, it refuses new connections, as kube-proxy does.
    """

    def __init__(self, address: str, backends: Callable[[], Sequence[Backend]]) -> None:
        self._backends = backends
        self._ready: list[Backend] = []
        self._open: set[asyncio.StreamWriter] = set()
        self.closes_connections = False
        """Whether it closes new connections after their first bytes, as a proxy without a backend does."""
        self.connections = 0
        """How many connections were taken so far."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="balancer", daemon=True)
        self._thread.start()
        self._address = address
        self._server: asyncio.Server | None = None
        self._asking = asyncio.run_coroutine_threadsafe(self._ask(), self._loop)

    def close(self) -> None:
        """Closes all connections and the balancer."""
        self._asking.cancel()
        self._on_loop(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def ready(self) -> tuple[Backend, ...]:
        """Returns the replicas that get new connections now."""
        return tuple(self._ready)

    def end_idle_connections(self) -> None:
        """Ends all open connections, and returns when their clients have closed them too.

        Call it only while no request is in flight. Afterwards, no client uses an old connection for its next request.
        """
        self._on_loop(self._end_connections())

    def _on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(15)

    async def _listen(self) -> None:
        """Opens or closes the port, so that clients can connect while a replica is ready."""
        if self._ready and self._server is None:
            self._server = await asyncio.start_server(self._serve, self._address, 443, limit=_CHUNK)
        elif not self._ready and self._server is not None:
            self._server.close()
            self._server = None

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)

    async def _ask(self) -> None:
        while True:
            backends = self._backends()
            answers = await asyncio.gather(*(_is_ready(backend) for backend in backends))
            self._ready = [backend for backend, is_ready in zip(backends, answers, strict=True) if is_ready]
            await self._listen()
            await asyncio.sleep(_ASKED_EVERY)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            if self.closes_connections:
                await reader.read(_CHUNK)
            elif self._ready:
                backend = self._ready[self.connections % len(self._ready)]
                await _pass_on(reader, writer, *await asyncio.open_connection(backend.address, backend.port))
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _end_connections(self) -> None:
        ended = list(self._open)
        for writer in ended:
            # The connection may have ended already. The transport's own write_eof would stop reading from the client.
            with suppress(OSError):
                writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        deadline = self._loop.time() + 10
        while self._open.intersection(ended):
            assert self._loop.time() < deadline, "a client keeps connections that were ended"
            await asyncio.sleep(0.005)


async def _pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    backend_reader: asyncio.StreamReader,
    backend_writer: asyncio.StreamWriter,
) -> None:
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(reader, backend_writer))
            both.create_task(_copy(backend_reader, writer))
    except* OSError:
        pass
    finally:
        backend_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _is_ready(backend: Backend) -> bool:
    """Probes the replica as kubelet does."""
    if backend.probe_port is None:
        return True
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(backend.address, backend.probe_port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")
                return (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        return False
