"""Creating as a dry run: what the API server is asked, and its warnings."""

import pytest
from aiohttp import web

from webhook.cluster.access import AccessSettings
from webhook.cluster.client import KubernetesClient
from webhook.cluster.resource import PodPort, Resource


async def test_nothing_is_stored_and_the_texts_of_the_warnings_are_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.rel_url} {await request.text()}")
        headers = [("Warning", '299 - "left alone: \\"app\\""'), ("Warning", '299 - "another"')]
        return web.Response(body=b'{"made": true}', headers=headers)

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with KubernetesClient(AccessSettings(kubeconfig="", kube_api=url)) as client:
            made = await client.create_dry_run(Resource("pods", "shop"), {"kind": "Pod"})
    finally:
        await runner.cleanup()

    assert made == (b'{"made": true}', ('left alone: "app"', "another"))
    assert asked == ['POST /api/v1/namespaces/shop/pods?dryRun=All {"kind": "Pod"}']


def test_a_document_of_a_pod_is_reached_through_the_api_server() -> None:
    document = PodPort("shop", "reports-0", 9999, "/metrics")

    assert document.path == "/api/v1/namespaces/shop/pods/reports-0:9999/proxy/metrics"
    assert document.rule("get") == (
        'apiGroups: [""], resources: ["pods/proxy"], verbs: ["get"] in a Role in namespace shop'
    )
    assert str(document) == "/metrics of pod shop/reports-0:9999"
