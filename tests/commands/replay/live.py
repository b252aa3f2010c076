"""An API server for commands: it serves objects by their paths, on its own thread."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tests.cluster.api_server import Answer, ApiServer, Request, failure

Server = TypeVar("Server", bound=ApiServer)


@contextlib.contextmanager
def api_server(objects: Mapping[str, dict[str, Any] | int]) -> Iterator[ApiServer]:
    """Answers with the object (or the status) for the path of a request, or with 404."""

    async def answers(request: Request, answer: Answer) -> None:
        found = objects.get(request.path, 404)
        if isinstance(found, int):
            await answer.json(found, failure(found, "Reason", f"no: {request.path}"))
        else:
            await answer.json(200, found)

    with on_a_thread(ApiServer(every=answers)) as server:
        yield server


@contextlib.contextmanager
def on_a_thread(server: Server) -> Iterator[Server]:
    """Runs an API server on a thread."""
    loop = asyncio.new_event_loop()
    started, stopping = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with server.running():
            started.set()
            await stopping.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(20)
        yield server
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(20)
        loop.close()


def kubeconfig(path: Path, **servers: str) -> str:
    """Writes a kubeconfig with a context for each URL and returns its path; the first context is the current one."""
    clusters = [{"name": name, "cluster": {"server": url}} for name, url in servers.items()]
    contexts = [{"name": name, "context": {"cluster": name, "user": "nobody"}} for name in servers]
    config = {"clusters": clusters, "contexts": contexts, "users": [{"name": "nobody", "user": {}}]}
    path.write_text(json.dumps({"current-context": next(iter(servers)), **config}))
    return str(path)


def path_of(account: Mapping[str, Any]) -> str:
    """Returns the API path of a ServiceAccount."""
    metadata = account["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{metadata['name']}"
