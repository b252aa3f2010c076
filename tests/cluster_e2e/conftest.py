"""Fixtures of the tests on a whole cluster, with its nodes: any that KUBECONFIG names and that has the IMAGE."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.cluster_e2e.connection import ProxiedApi, connected
from tests.cluster_e2e.release import Release
from tests.cluster_e2e.workloads import make_namespace, remove_namespace, version

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
    """Takes a line for the end of the report."""
    return request.config.stash[_MEASURED].append


@pytest.fixture(scope="session")
def image() -> str:
    return os.environ["IMAGE"]


@pytest.fixture(scope="session")
def api() -> Iterator[ProxiedApi]:
    with connected() as connection:
        # Newer clusters label every namespace with its name; the chart's notes say to do this on older ones.
        if version(connection) < (1, 21):
            label = {"kubernetes.io/metadata.name": "kube-system"}
            connection.patch("/api/v1/namespaces/kube-system", {"metadata": {"labels": label}})
        yield connection


@pytest.fixture(scope="session")
def kubernetes_version(api: ProxiedApi) -> tuple[int, int]:
    """Major and minor version of the cluster."""
    return version(api)


@pytest.fixture(scope="session")
def release(api: ProxiedApi, image: str, measured: Callable[[str], None]) -> Iterator[Release]:
    """The release that the tests share: defaults, in a namespace that demands restricted pods."""
    make_namespace(api, _NAMESPACE)
    # The documents' own commands use the chart's name, of which a cluster can have one.
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
    """A namespace of the test's own that demands restricted pods, with the ServiceAccount `reports`."""
    name = make_namespace(api, f"e2e-{request.node.name.removeprefix('test_').replace('_', '-')}"[:50].rstrip("-"))
    yield name
    remove_namespace(api, name)
