"""Fixtures of the tests on a whole cluster with nodes: any cluster that KUBECONFIG names and whose nodes have IMAGE."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.cluster_e2e.aws_side import host, issuer, sts
from tests.cluster_e2e.connection import ProxiedApi, connected
from tests.cluster_e2e.release import Release
from tests.cluster_e2e.workloads import make_namespace, remove_namespace, version

__all__ = ["host", "issuer", "sts"]

_MEASURED = pytest.StashKey[list[str]]()
_NAMESPACE = "e2e-webhook"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_MEASURED] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = any("tests/cluster_e2e/" in item.path.as_posix() for item in items)
    if ours and not (os.environ.get("KUBECONFIG") and os.environ.get("IMAGE")):
        raise pytest.UsageError("set KUBECONFIG, and IMAGE to registry/repository:tag of an image that the nodes have")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[_MEASURED]:
        terminalreporter.section("measured")
        for line in config.stash[_MEASURED]:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A function that adds a line to the end of the report."""
    return request.config.stash[_MEASURED].append


@pytest.fixture(scope="session")
def image() -> str:
    return os.environ["IMAGE"]


@pytest.fixture(scope="session")
def api() -> Iterator[ProxiedApi]:
    with connected() as connection:
        # Newer clusters label every namespace with its name; for older ones, the chart's notes tell admins to do this.
        if version(connection) < (1, 21):
            label = {"kubernetes.io/metadata.name": "kube-system"}
            connection.patch("/api/v1/namespaces/kube-system", {"metadata": {"labels": label}})
        yield connection


@pytest.fixture(scope="session")
def kubernetes_version(api: ProxiedApi) -> tuple[int, int]:
    """The major and minor version of the cluster."""
    return version(api)


@pytest.fixture(scope="session")
def release(api: ProxiedApi, image: str, measured: Callable[[str], None]) -> Iterator[Release]:
    """The release that the tests share: default values, in a namespace that enforces restricted pods."""
    make_namespace(api, _NAMESPACE)
    # The commands in the documents use the chart's name, and a cluster can have only one release with that name.
    shared = Release(api, _NAMESPACE, image, name="e2e-pod-identity-webhook")
    try:
        measured(f"helm install, 2 replicas ready: {shared.install():.1f} s")
        yield shared
    finally:
        shared.uninstall()
        shared.close()
        remove_namespace(api, _NAMESPACE)


@pytest.fixture
def namespace(api: ProxiedApi, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for one test that enforces restricted pods and has the ServiceAccount `reports`."""
    name = make_namespace(api, f"e2e-{request.node.name.removeprefix('test_').replace('_', '-')}"[:50].rstrip("-"))
    yield name
    remove_namespace(api, name)
