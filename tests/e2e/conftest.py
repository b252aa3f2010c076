"""Fixtures of the end-to-end tests. The tests have the mark `e2e`, and fail if the control plane is missing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.identity_chain import Chain, end, whole_chain
from tests.e2e.issuing_cluster import IssuingCluster
from tests.e2e.programs import MissingProgram, control_plane, kubernetes_version
from tests.e2e.proxy import Proxy
from tests.e2e.rbac import account_with
from tests.e2e.webhook_process import Webhook

_MEASURED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_MEASURED] = []
    config.addinivalue_line("markers", "e2e: needs etcd and kube-apiserver, from KUBEBUILDER_ASSETS")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if "tests/e2e/" in item.path.as_posix()]
    for item in ours:
        item.add_marker("e2e")
    if ours:
        try:
            control_plane("etcd"), control_plane("kube-apiserver")
        except MissingProgram as error:
            raise pytest.UsageError(str(error)) from error


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[_MEASURED]:
        terminalreporter.section("measured")
        for line in config.stash[_MEASURED]:
            terminalreporter.line(line)


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A function that adds a line to the end of the report."""
    return request.config.stash[_MEASURED].append


@pytest.fixture(scope="session", name="kubernetes_version")
def _kubernetes_version() -> tuple[int, int]:
    """Returns the major and minor version of the control plane."""
    return kubernetes_version(control_plane("kube-apiserver"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The control plane that harmless tests share."""
    shared = Cluster(tmp_path_factory.mktemp("cluster"), controller_manager=True)
    try:
        shared.start()
        yield shared
    finally:
        shared.remove()


@pytest.fixture(scope="module")
def breakable_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane for the tests of one file; `own_cluster` repairs it after each test."""
    own = Cluster(tmp_path_factory.mktemp("own-cluster"))
    try:
        own.start()
        yield own
    finally:
        own.remove()


@pytest.fixture
def own_cluster(breakable_cluster: Cluster) -> Iterator[Cluster]:
    """A control plane that the test may halt, crash and compact."""
    yield breakable_cluster
    if breakable_cluster.api_server.is_running:
        breakable_cluster.api_server.resume()
    breakable_cluster.start()


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """A namespace for one test in the shared cluster; the API server calls no webhook for it."""
    return cluster.namespace(request.node.name)


@pytest.fixture(scope="session")
def webhook(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """The webhook that harmless tests share, with the chart's RBAC rules."""
    account = account_with(cluster, cluster.namespace("webhook"))
    shared = Webhook(cluster, tmp_path_factory.mktemp("webhook"), account, "--watch-config-map")
    try:
        shared.start()
        shared.register()
        yield shared
    finally:
        shared.remove()


@pytest.fixture
def injected(webhook: Webhook, request: pytest.FixtureRequest) -> str:
    """A namespace for one test; the API server calls the shared webhook for its pods."""
    return webhook.pod_namespace(request.node.name)


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    """A proxy in front of the shared cluster."""
    between = Proxy(cluster.network.server, 6443, cluster.serving)
    yield between
    between.close()


@pytest.fixture
def proxied_webhook(cluster: Cluster, proxy: Proxy, tmp_path: Path) -> Iterator[Webhook]:
    """A webhook for one test, not started, that reaches the shared cluster through the proxy."""
    account = account_with(cluster, cluster.namespace("proxied-webhook"))
    # The API server waits five seconds: use four of them, because the proxy is slow if many connect at once.
    patient = "--service-account-lookup-timeout=4s"
    own = Webhook(cluster, tmp_path, account, patient, api_url=proxy.url)
    yield own
    proxy.release()
    own.remove()


@pytest.fixture
def own_proxy(own_cluster: Cluster) -> Iterator[Proxy]:
    """A proxy in front of the test's own cluster."""
    between = Proxy(own_cluster.network.server, 6443, own_cluster.serving)
    yield between
    between.close()


@pytest.fixture
def own_webhook(own_cluster: Cluster, own_proxy: Proxy, tmp_path: Path) -> Iterator[Webhook]:
    """A webhook, not started, that reaches the test's own cluster through its proxy."""
    own = Webhook(
        own_cluster, tmp_path, account_with(own_cluster, own_cluster.namespace("webhook")), api_url=own_proxy.url
    )
    yield own
    own.remove()


@pytest.fixture(scope="module")
def issuing_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IssuingCluster]:
    """A control plane with an issuer of its own, and the webhook as Helm installs it, for the tests of one file."""
    own = IssuingCluster(tmp_path_factory.mktemp("issuing-cluster"))
    yield own
    own.remove()


@pytest.fixture
def chain(
    issuing_cluster: IssuingCluster, tmp_path: Path, aws: Path, request: pytest.FixtureRequest
) -> Iterator[Chain]:
    """IRSA's chain for one test, with every link whole."""
    own = whole_chain(issuing_cluster, tmp_path, request.node.name, aws)
    yield own
    end(own)
