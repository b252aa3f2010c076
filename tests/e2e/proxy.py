"""A proxy between the webhook and the API server that cuts, delays or holds traffic, to simulate failures.

It terminates TLS on both sides, so that a test can hold one kind of request or one watch and let others pass.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar

from certs.files import PairFiles

T = TypeVar("T")

_CHUNK: Final = 64 * 1024
_LINE_LIMIT: Final = 4096
_METHODS: Final = (b"GET ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ")


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    def __init__(self, writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self._writers = writers
        self.request = ""

    def abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


class Proxy:
    """Listens on 127.0.0.1 at `url` with the API server's own certificate. HTTP/1.1; a bearer token passes through."""

    def __init__(self, server: str, port: int, serving: PairFiles) -> None:
        self._target = (server, port)
        self._serving = serving
        self._connections: set[_Connection] = set()
        self._connecting: set[asyncio.Task[_Streams]] = set()
        self._delay = 0.0
        self._held_requests = ""
        self._held_answers = ""
        self._released = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.requests: list[str] = []
        """What has been asked for so far: `METHOD PATH?QUERY`."""
        self.held: list[str] = []
        """The requests that are held back now, or whose answers are."""
        self._server = self._on_loop(self._listen(0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Closes all connections and the proxy."""
        self.delay(0)
        self.release()
        self._on_loop(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """Aborts all connections; still accepts new ones."""
        self._call(self._abort_all)

    def refuse(self) -> None:
        """Aborts all connections and refuses new ones, until `accept`."""
        self._on_loop(self._close_listener())
        self.cut()

    def accept(self) -> None:
        """Accepts connections again after `refuse`."""
        self._server = self._on_loop(self._listen(self.port))

    def blackhole(self) -> None:
        """Silently holds all traffic until `release`, as a network does that drops packets."""
        self.hold_requests("/")
        self.hold_answers("/")

    def delay(self, seconds: float) -> None:
        """Delays everything from the API server by `seconds`; 0 ends the delay."""
        self._call(lambda: setattr(self, "_delay", seconds))

    def hold_requests(self, containing: str) -> None:
        """Holds requests whose request line contains a text until `release`: the API server does not get them."""
        self._call(lambda: setattr(self, "_held_requests", containing))

    def hold_answers(self, containing: str) -> None:
        """Holds further answers to requests whose request line contains a text until `release`."""
        self._call(lambda: setattr(self, "_held_answers", containing))

    def release(self) -> None:
        """Lets all held traffic pass."""

        def clear() -> None:
            self._held_requests = self._held_answers = ""
            self._released.set()

        self._call(clear)

    def _call(self, action: Callable[[], object]) -> None:
        async def act() -> None:
            action()

        self._on_loop(act())

    def _on_loop(self, coroutine: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _listen(self, port: int) -> asyncio.Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._serving.certificate, self._serving.private_key)
        return await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=context, limit=_CHUNK)

    async def _close_listener(self) -> None:
        self._server.close()

    async def _stop(self) -> None:
        self._server.close()
        self._abort_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)

    def _abort_all(self) -> None:
        for connecting in self._connecting:
            connecting.cancel()
        for connection in list(self._connections):
            connection.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        context = ssl.create_default_context(cafile=str(self._serving.ca))
        # Connect in a separate task: before Python 3.12, cancelling this task would otherwise log an error.
        connecting = asyncio.create_task(asyncio.open_connection(*self._target, ssl=context))
        self._connecting.add(connecting)
        await asyncio.wait({connecting})
        self._connecting.discard(connecting)
        if connecting.cancelled() or connecting.exception() is not None:
            writer.transport.abort()
            return
        upstream_reader, upstream_writer = connecting.result()
        connection = _Connection((writer, upstream_writer))
        self._connections.add(connection)
        try:
            up = asyncio.create_task(self._pass_requests(connection, reader, upstream_writer))
            down = asyncio.create_task(self._pass_answers(connection, upstream_reader, writer))
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
        finally:
            self._connections.discard(connection)
            connection.abort()

    async def _pass_requests(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(_CHUNK):
            # Clients send the head of a request in one write, and the next request only after the answer.
            if chunk.startswith(_METHODS):
                line = chunk[:_LINE_LIMIT].partition(b"\r\n")[0]
                connection.request = line.decode("latin-1").removesuffix(" HTTP/1.1")
                self.requests.append(connection.request)
            await self._while_held(connection.request, lambda: self._held_requests)
            writer.write(chunk)
            await writer.drain()

    async def _pass_answers(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(_CHUNK):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._while_held(connection.request, lambda: self._held_answers)
            writer.write(chunk)
            await writer.drain()

    async def _while_held(self, request: str, holding: Callable[[], str]) -> None:
        if not (holding() and holding() in request):
            return
        self.held.append(request)
        try:
            self._released.clear()
            await self._released.wait()
        finally:
            self.held.remove(request)
