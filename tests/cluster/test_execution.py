"""`execute`, at a server that speaks the API server's protocol for exec."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from webhook.cluster.access import AccessSettings
from webhook.cluster.api_errors import ApiError, TooLarge
from webhook.cluster.client import KubernetesClient
from webhook.cluster.execution import execute

_SUCCESS = b"\x03" + json.dumps({"status": "Success"}).encode()
_FAILURE = b"\x03" + json.dumps({"status": "Failure", "message": "no such file"}).encode()


@asynccontextmanager
async def _server(messages: Sequence[bytes], status: int, asked: list[str]) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(str(request.rel_url))
        if status != 101:
            return web.Response(status=status)
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        for message in messages:
            await socket.send_bytes(message)
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _execute(messages: Sequence[bytes], status: int = 101, asked: list[str] | None = None) -> bytes:
    async with (
        _server(messages, status, asked if asked is not None else []) as url,
        KubernetesClient(AccessSettings(kubeconfig="", kube_api=url)) as client,
    ):
        return await execute(client, "shop", "reports-0", "app", ("cat", "/a b"), seconds=10)


@pytest.fixture(autouse=True)
def _no_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


async def test_standard_output_is_returned_and_standard_error_is_not() -> None:
    asked: list[str] = []

    out = await _execute([b"\x01to", b"\x02noise", b"\x01ken", _SUCCESS], asked=asked)

    assert out == b"token"
    assert asked == [
        "/api/v1/namespaces/shop/pods/reports-0/exec?container=app&stdout=1&stderr=1&command=cat&command=/a+b"
    ]


async def test_a_program_that_fails_is_an_error() -> None:
    with pytest.raises(ApiError, match=r"^cat in container app: no such file$"):
        await _execute([b"\x01half", _FAILURE])


async def test_a_program_without_an_end_is_an_error() -> None:
    with pytest.raises(ApiError, match=r"^cat in container app: it did not end$"):
        await _execute([b"\x01half"])


async def test_output_without_end_is_refused() -> None:
    with pytest.raises(TooLarge):
        await _execute([b"\x01" + b"x" * 40_000] * 2)


async def test_without_the_right_the_rule_is_named() -> None:
    with pytest.raises(ApiError) as raised:
        await _execute([], status=403)

    assert raised.value.status == 403
    assert (
        'resources: ["pods/exec"], verbs: ["get"], resourceNames: ["reports-0"] in a Role in namespace shop, from '
        in (str(raised.value))
    )
