"""Fixtures of the server's tests."""

import logging
from collections.abc import Iterator

import httpx
import pytest

from tests.server.webhook_process import WebhookProcess, serving


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookProcess]:
    """A running webhook for all tests of a file."""
    with serving(tmp_path_factory.mktemp("webhook"), "--drain-period=0s") as process:
        yield process


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Logging is as before afterwards."""
    loggers = [logging.getLogger(name) for name in ("", "webhook", "certs", "httpx")]
    before = [(logger, logger.level, logger.handlers) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers = handlers


@pytest.fixture
def client(webhook: WebhookProcess) -> Iterator[httpx.Client]:
    with webhook.client() as client:
        yield client
