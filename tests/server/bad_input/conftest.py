"""After each test with bad input, the process lives on and has logged no traceback."""

from collections.abc import Iterator

import pytest

from tests.server.webhook_process import WebhookProcess


@pytest.fixture(autouse=True)
def _no_traceback(webhook: WebhookProcess) -> Iterator[None]:
    yield
    assert webhook.process.poll() is None, webhook.log
    assert "Traceback" not in webhook.log
    assert "a bug" not in webhook.log
