"""Fixtures of the server's tests."""

from collections.abc import Iterator

import httpx
import pytest

from tests.server.webhook_process import OURS, STOCK_UVICORN, WebhookProcess, serving

PROGRAMS = {"our listener": OURS, "stock uvicorn": STOCK_UVICORN}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Takes tests of what only our listener does out of the runs against stock uvicorn."""
    dropped = [
        item
        for item in items
        if item.get_closest_marker("only_ours")
        and getattr(item, "callspec", None)
        and item.callspec.params.get("webhook") == "stock uvicorn"  # type: ignore[attr-defined]
    ]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


@pytest.fixture(scope="module", params=PROGRAMS)
def webhook(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookProcess]:
    """A running webhook for all tests of a file: on our listener, then the same applications on stock uvicorn."""
    folder = tmp_path_factory.mktemp("webhook")
    with serving(folder, "--drain-period=0s", program=PROGRAMS[request.param]) as process:
        yield process


@pytest.fixture
def client(webhook: WebhookProcess) -> Iterator[httpx.Client]:
    with webhook.client() as client:
        yield client
