"""The local API server of the cluster tests, extended by objects with versions, conflicts and watches."""

import asyncio
import copy
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.cluster.api_server import Answer, ApiServer, Request, event, failure, page

SECRETS = "/api/v1/namespaces/eks/secrets"
SECRET = f"{SECRETS}/tls"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
CONFIGURATION = f"{CONFIGURATIONS}/pod-identity-webhook"

Reply: TypeAlias = Callable[[Answer, Any], Awaitable[None]]


@dataclass
class Write:
    method: str
    path: str
    content_type: str
    body: Any


class _Reader:
    """A reader that keeps the last request head, because the server does not pass the method to steps."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self.head = b""

    async def readuntil(self, separator: bytes) -> bytes:
        self.head = await self._reader.readuntil(separator)
        return self.head

    async def body(self, request: Request) -> Any:
        content = await self._reader.readexactly(int(request.headers.get("content-length", "0")))
        return json.loads(content) if content else None


class ObjectServer(ApiServer):
    """Stores the objects that it receives. `answers` replace its behaviour for the next writes.

    `writes` has all requested writes, also refused ones; `changes` counts the stored ones by path.
    """

    def __init__(self) -> None:
        super().__init__(every=self._answer)
        self.objects: dict[str, dict[str, Any]] = {}
        self.writes: list[Write] = []
        self.changes: Counter[str] = Counter()
        self.answers: list[Reply] = []
        self.watching: dict[str, list[asyncio.Queue[Any]]] = {}
        self._version = 100
        self._readers: dict[int, _Reader] = {}

    def put(self, path: str, body: dict[str, Any]) -> None:
        """Stores an object as an admin would with `kubectl apply`."""
        kind = "MODIFIED" if path in self.objects else "ADDED"
        self._version += 1
        stored = copy.deepcopy(body)
        stored.setdefault("metadata", {}).update(name=path.rpartition("/")[2], resourceVersion=str(self._version))
        self.objects[path] = stored
        self.changes[path] += 1
        self._tell(kind, path, stored)

    def delete(self, path: str) -> None:
        self._version += 1
        self._tell("DELETED", path, self.objects.pop(path))

    def data(self, path: str = SECRET) -> dict[str, bytes]:
        return {key: b64decode(value) for key, value in self.objects[path]["data"].items()}

    def _tell(self, kind: str, path: str, stored: dict[str, Any]) -> None:
        for changes in self.watching.get(path, []):
            changes.put_nowait(event(kind, {"metadata": {**stored["metadata"], "resourceVersion": str(self._version)}}))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recording: Any = _Reader(reader)
        self._readers[id(writer)] = recording
        await super()._serve(recording, writer)

    async def _answer(self, request: Request, answer: Answer) -> None:
        reader = self._readers[id(answer._writer)]
        method = reader.head.split(b" ", 1)[0].decode()
        body = await reader.body(request)
        if method != "GET":
            self.writes.append(Write(method, request.path, request.headers["content-type"], body))
            if self.answers:
                await self.answers.pop(0)(answer, body)
            elif method == "POST":
                await self._create(request.path, body, answer)
            else:
                await self._patch(request.path, body, answer)
        elif "fieldSelector" in request.query:
            path = f"{request.path}/{request.query['fieldSelector'].removeprefix('metadata.name=')}"
            await (self._watch if "watch" in request.query else self._list)(path, answer)
        elif request.path in self.objects:
            await answer.json(200, self.objects[request.path])
        else:
            await answer.json(404, failure(404, "NotFound"))

    async def _list(self, path: str, answer: Answer) -> None:
        found = [self.objects[path]] if path in self.objects else []
        await answer.json(200, page(*found, version=str(self._version)))

    async def _watch(self, path: str, answer: Answer) -> None:
        changes: asyncio.Queue[Any] = asyncio.Queue()
        self.watching.setdefault(path, []).append(changes)
        await answer.watch()
        while True:
            await answer.events(await changes.get())

    async def _create(self, path: str, body: Any, answer: Answer) -> None:
        path = f"{path}/{body['metadata']['name']}"
        if path in self.objects:
            await answer.json(409, failure(409, "AlreadyExists"))
            return
        self.put(path, body)
        await answer.json(201, self.objects[path])

    async def _patch(self, path: str, body: Any, answer: Answer) -> None:
        if path not in self.objects:
            await answer.json(404, failure(404, "NotFound"))
            return
        stored = copy.deepcopy(self.objects[path])
        if body["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]:
            await answer.json(409, failure(409, "Conflict"))
            return
        stored.setdefault("data", {}).update(body.get("data", {}))
        for change in body.get("webhooks", []):
            entry = next(entry for entry in stored["webhooks"] if entry["name"] == change["name"])
            entry["clientConfig"].update(change["clientConfig"])
        self.put(path, stored)
        await answer.json(200, self.objects[path])
