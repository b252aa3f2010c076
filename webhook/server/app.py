"""The two FastAPI applications: the HTTPS one that the API server calls, and the one for probes and metrics.

Each is complete by itself, under any ASGI server. Our listener also calls the endpoints of reviews directly.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from webhook.server.metrics.exposition import CONTENT_TYPE
from webhook.server.metrics.families import Metrics
from webhook.server.mutate_endpoint import MutateEndpoint

# Nobody calls us by hand: no interactive documentation to attack, and no redirect to what the Host header says.
_BARE: Final[dict[str, Any]] = {"docs_url": None, "redoc_url": None, "openapi_url": None, "redirect_slashes": False}


def webhook_application(endpoints: Iterable[MutateEndpoint]) -> FastAPI:
    """The application of the HTTPS port: the endpoints and `/healthz`."""
    app = FastAPI(title="pod-identity-webhook", **_BARE)
    for endpoint in endpoints:
        # Plain ASGI: a review pays for no model, dependency or middleware that it does not use.
        app.router.routes.append(Route(endpoint.path, endpoint, include_in_schema=False))
    app.add_api_route("/healthz", _healthz, methods=["GET", "HEAD"], response_class=PlainTextResponse)
    return app


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
