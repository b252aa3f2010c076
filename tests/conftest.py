"""Settings of the whole suite, and what it leaves out on older versions of Kubernetes."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.aws.environment import aws_environment

# Helm's library reads this when it is loaded: fewer runs of Go's garbage collector make rendering a quarter cheaper.
os.environ.setdefault("GOGC", "400")

# The same examples at each run: a failure is found by the change that caused it, not by a later one's luck.
# `pytest --hypothesis-profile=search` looks for new ones.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None, max_examples=100)
settings.register_profile("search", deadline=None, max_examples=5000)
settings.load_profile("repeatable")

_LEFT_OUT = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """What runs the tests that are coroutine functions: asyncio alone, which the webhook uses."""
    return "asyncio"


@pytest.fixture(scope="session")
def aws() -> Path:
    """The folder of an environment with the real AWS CLI (`bin/aws`) and boto3; made once, which takes a minute."""
    return aws_environment()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LEFT_OUT] = []
    config.addinivalue_line("markers", "needs(feature): left out on a Kubernetes without it, see tests/features.py")


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Logging is as before afterwards."""
    loggers = [logging.getLogger(name) for name in ("", "webhook", "certs", "httpx")]
    before = [(logger, logger.level, logger.handlers) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers = handlers


@pytest.fixture(autouse=True)
def _left_out_without_its_features(request: pytest.FixtureRequest) -> None:
    """The one place that leaves a test out because of the version; `kubernetes_version` is the suite's own fixture."""
    for marker in request.node.iter_markers("needs"):
        (feature,) = marker.args
        version = request.getfixturevalue("kubernetes_version")
        if version < feature.since:
            here, since = (".".join(map(str, each)) for each in (version, feature.since))
            request.config.stash[_LEFT_OUT].append(f"on {here}: {request.node.nodeid}: since {since} {feature.what}")
            pytest.skip(f"since Kubernetes {since} {feature.what}, this is {here}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[_LEFT_OUT]:
        terminalreporter.section("left out")
        for line in config.stash[_LEFT_OUT]:
            terminalreporter.line(line)
