"""The two web applications: the HTTPS one that the API server calls, and the one for probes and metrics."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from webhook.server.exposition import CONTENT_TYPE
from webhook.server.metrics import Metrics
from webhook.server.mutate_endpoint import PATH, MutateEndpoint

# Nobody calls us by hand: no interactive documentation to attack, and no redirect to what the Host header says.
_BARE: Final[dict[str, Any]] = {"docs_url": None, "redoc_url": None, "openapi_url": None, "redirect_slashes": False}


class WebhookApplication:
    """The HTTPS application: `/mutate` directly, anything else (`/healthz`) by FastAPI."""

    def __init__(self, mutate: MutateEndpoint) -> None:
        self._mutate = mutate
        self._rest = FastAPI(title="pod-identity-webhook", **_BARE)
        self._rest.add_api_route("/healthz", _healthz, methods=["GET", "HEAD"], response_class=PlainTextResponse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI 3 call."""
        if scope["type"] == "http" and scope["path"] == PATH:
            await self._mutate(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


def metrics_application(
    metrics: Metrics,
    not_ready: Callable[[], str],
    cache: Callable[[], dict[str, Any]] | None = None,
) -> FastAPI:
    """The application of the metrics port.

    `not_ready` says what is still awaited, nothing where all is well; `cache` gives the debugging handler's content,
    and there is no such handler without it.
    """
    app = FastAPI(title="pod-identity-webhook metrics", **_BARE)

    async def page() -> Response:
        return Response(metrics.expose(), headers={"content-type": CONTENT_TYPE})

    async def readyz() -> Response:
        awaited = not_ready()
        return PlainTextResponse(f"not ready: {awaited}\n" if awaited else "ok\n", 503 if awaited else 200)

    app.add_api_route("/metrics", page, methods=["GET", "HEAD"])
    app.add_api_route("/healthz", _healthz, methods=["GET", "HEAD"], response_class=PlainTextResponse)
    app.add_api_route("/readyz", readyz, methods=["GET", "HEAD"])
    if cache is not None:

        async def debug_cache() -> Response:
            return JSONResponse(cache())

        app.add_api_route("/debug/alpha/cache", debug_cache, methods=["GET"])
    return app


async def _healthz() -> str:
    return "ok\n"
