"""A scripted API server: it uses real sockets and answers each request with one step of a test's script."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from webhook.cluster.access import AccessSettings
from webhook.cluster.client import KubernetesClient


@dataclass(frozen=True)
class Request:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    subject: Any
    """Of the client's certificate, None without one."""


class Answer:
    """The answer to send. If a step returns without sending a Content-Length, the connection ends."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.keeps_connection = False

    async def json(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        await self.page(status, encoded(body), headers)

    async def page(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._writer.write(f"HTTP/1.1 {status} X\r\n{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        await self._writer.drain()
        self.keeps_connection = True

    async def watch(self, *events: Any) -> None:
        """Starts a watch."""
        self._writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await self.events(*events)

    async def events(self, *events: Any) -> None:
        for event in events:
            await self.raw((event if isinstance(event, bytes) else encoded(event)) + b"\n")

    async def raw(self, content: bytes) -> None:
        self._writer.write(b"%x\r\n%b\r\n" % (len(content), content))
        await self._writer.drain()

    async def end(self) -> None:
        """Ends the watch as the API server does after timeoutSeconds."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()
        self.keeps_connection = True

    async def cut(self) -> None:
        self._writer.transport.abort()


Step: TypeAlias = Callable[[Request, Answer], Awaitable[None]]


@dataclass
class ApiServer:
    """Answers the n-th request with the n-th step and hangs after the last; or answers every request with `every`."""

    steps: list[Step] = field(default_factory=list)
    every: Step | None = None
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for_requests(self, count: int) -> None:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: len(self.requests) >= count)

    @asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator["ApiServer"]:
        connections: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

        # Not a coroutine: a task that is cancelled before it starts could not close its connection.
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if server.is_serving():
                connections[writer] = asyncio.create_task(serve(reader, writer))
            else:
                writer.transport.abort()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self._serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
        host, port = server.sockets[0].getsockname()
        self.url = f"{'https' if context else 'http'}://{host}:{port}"
        try:
            yield self
        finally:
            # Let the loop hand over connections that the closed server has accepted: otherwise nothing closes them.
            for _ in range(5):
                await asyncio.sleep(0)
            server.close()
            for task in connections.values():
                task.cancel()
            await asyncio.gather(*connections.values(), return_exceptions=True)
            for writer in connections:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        keeps = True
        while keeps:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *lines = head.strip().split("\r\n")
            url = urlsplit(line.split(" ")[1])
            headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
            ssl_object = writer.get_extra_info("ssl_object")
            certificate = ssl_object.getpeercert() if ssl_object is not None else None
            subject = certificate["subject"] if certificate else None
            request = Request(url.path, dict(parse_qsl(url.query)), headers, subject)
            number = len(self.requests)
            async with self.changed:
                self.requests.append(request)
                self.changed.notify_all()
            answer = Answer(writer)
            await (self.every or (self.steps[number] if number < len(self.steps) else hang))(request, answer)
            keeps = answer.keeps_connection


def encoded(body: Any) -> bytes:
    """Encodes JSON as the API server does: without blanks, and with HTML characters escaped."""
    text = json.dumps(body, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026").encode()


async def hang(_request: Request, _answer: Answer) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def client_of(server: ApiServer) -> AsyncIterator[KubernetesClient]:
    """Yields a client without credentials."""
    async with KubernetesClient(AccessSettings(kubeconfig="", kube_api=server.url)) as client:
        yield client


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the condition has no event to wait for
            await asyncio.sleep(0.005)


def meta(name: str, version: str = "1", role: str = "", namespace: str = "apps", **more: Any) -> dict[str, Any]:
    """Returns an object's JSON, with only its metadata."""
    annotations = {"annotations": {"eks.amazonaws.com/role-arn": role}} if role else {}
    return {"metadata": {"name": name, "namespace": namespace, "resourceVersion": version, **annotations, **more}}


def page(*items: Any, version: str = "10", token: str = "") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": version, "continue": token}, "items": list(items)}


def event(kind: str, item: Any) -> dict[str, Any]:
    return {"type": kind, "object": item}


def bookmark(version: str) -> dict[str, Any]:
    return event("BOOKMARK", {"metadata": {"resourceVersion": version}})


def failure(code: int, reason: str, message: str = "no") -> dict[str, Any]:
    return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}


async def answers(_request: Request, answer: Answer) -> None:
    """Answers with an empty list."""
    await answer.json(200, page())


def lists(*items: Any, version: str = "10", token: str = "") -> Step:
    """Returns a step that answers with a page of a list."""

    async def step(_request: Request, answer: Answer) -> None:
        await answer.json(200, page(*items, version=version, token=token))

    return step


def fails(code: int, reason: str, headers: Mapping[str, str] | None = None) -> Step:
    """Returns a step that answers with an error."""

    async def step(_request: Request, answer: Answer) -> None:
        await answer.json(code, failure(code, reason), headers)

    return step


def watches(*events: Any, then: Step = hang) -> Step:
    """Returns a step that starts a watch with these events."""

    async def step(request: Request, answer: Answer) -> None:
        await answer.watch(*events)
        await then(request, answer)

    return step
