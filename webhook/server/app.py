"""The two FastAPI applications: the HTTPS one that the API server calls, and the one for probes and metrics.

Each runs under any ASGI server. For reviews, our listener bypasses the application and calls the endpoints directly.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from webhook.server.metrics.exposition import CONTENT_TYPE
from webhook.server.metrics.requests import Metrics
from webhook.server.mutate_endpoint import MutateEndpoint

# Without interactive documentation there is less to attack, and a redirect would repeat the client's Host header.
_BARE: Final[dict[str, Any]] = {"docs_url": None, "redoc_url": None, "openapi_url": None, "redirect_slashes": False}


def webhook_application(endpoints: Iterable[MutateEndpoint]) -> FastAPI:
    """Returns the application of the HTTPS port: the endpoints and `/healthz`."""
    app = FastAPI(title="pod-identity-webhook", **_BARE)
    for endpoint in endpoints:
        # A plain ASGI route saves each review the cost of FastAPI's models and dependencies.
        app.router.routes.append(Route(endpoint.path, endpoint, include_in_schema=False))
    app.add_api_route("/healthz", _healthz, methods=["GET", "HEAD"], response_class=PlainTextResponse)
    return app


def metrics_application(
    metrics: Metrics,
    not_ready: Callable[[], str],
    cache: Callable[[], dict[str, Any]] | None = None,
) -> FastAPI:
    """Returns the application of the metrics port.

    `not_ready` returns why the webhook is not ready, or "" if it is ready. `cache` returns the content for the
    debugging handler; if it is None, there is no such handler.
    """
    app = FastAPI(title="pod-identity-webhook metrics", **_BARE)

    async def page() -> Response:
        return Response(metrics.expose(), headers={"content-type": CONTENT_TYPE})

    async def readyz() -> Response:
        reason = not_ready()
        return PlainTextResponse(f"not ready: {reason}\n" if reason else "ok\n", 503 if reason else 200)

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
