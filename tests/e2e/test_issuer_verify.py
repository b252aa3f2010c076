"""`issuer verify` with a real API server: its own documents, copies of them elsewhere, and its tokens."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.issuer.verify.issuer_server import HOST, Answer, serving
from tests.commands.outcome import run_process
from tests.e2e.cluster import ISSUER as CLUSTER_ISSUER
from tests.e2e.cluster import Cluster

ISSUER = f"https://{HOST}"
DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/openid/v1/jwks"
BINDING = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


@pytest.fixture(scope="module")
def issuer_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane whose tokens have a public issuer."""
    own = Cluster(
        tmp_path_factory.mktemp("issuer"),
        issuer=ISSUER,
        api_server_flags=[f"--service-account-jwks-uri={ISSUER}{JWKS}"],
    )
    try:
        own.start()
        ensure_default_account(own)
        yield own
    finally:
        own.remove()


def ensure_default_account(cluster: Cluster) -> None:
    """Creates the ServiceAccount default/default; a new API server may be ready before it has the namespace."""
    cluster.admin.ensure("/api/v1/namespaces", {"metadata": {"name": "default"}})
    cluster.admin.ensure("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})


@contextlib.contextmanager
def public_documents(cluster: Cluster) -> Iterator[None]:
    """Lets anyone read the API server's documents."""
    body = {
        "metadata": {"name": "public-issuer"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:service-account-issuer-discovery",
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"}],
    }
    cluster.admin.create(BINDING, body)
    try:
        yield
    finally:
        cluster.admin.delete(f"{BINDING}/public-issuer")


def flags_of(cluster: Cluster) -> tuple[str, ...]:
    """Returns the flags that find the issuer at the API server."""
    return (f"--ca-file={cluster.serving.ca}", f"--connect-to={cluster.network.server}:6443")


def access_to(cluster: Cluster) -> tuple[str, ...]:
    return ("--live", f"--kubeconfig={cluster.kubeconfig}")


def failures(issuer: str, *flags: str) -> dict[str, str]:
    """Returns what was found by the names of the requirements that are not met."""
    outcome = run_process("issuer", "verify", issuer, "--output=json", *flags)
    assert outcome.err == ""
    failed = {
        check["name"]: check["found"] for check in json.loads(outcome.out)["checks"] if check["outcome"] == "failed"
    }
    assert outcome.code == (1 if failed else 0)
    return failed


def token_of(cluster: Cluster, path: Path) -> str:
    """Writes a token of the cluster for AWS to a file, and returns its flag."""
    spec = {"audiences": ["sts.amazonaws.com"], "expirationSeconds": 600}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    created = cluster.admin.create("/api/v1/namespaces/default/serviceaccounts/default/token", request)
    path.write_text(created["status"]["token"])
    return f"--token={path}"


def test_an_api_server_that_lets_no_one_read_its_documents(issuer_cluster: Cluster) -> None:
    assert failures(ISSUER, *flags_of(issuer_cluster)) == {"discovery-access": f"{ISSUER}{DISCOVERY}: HTTP 403"}


def test_an_api_server_as_its_own_issuer_and_a_live_token(issuer_cluster: Cluster) -> None:
    with public_documents(issuer_cluster):
        assert failures(ISSUER, *flags_of(issuer_cluster), *access_to(issuer_cluster)) == {}


def test_a_live_token_for_another_audience(issuer_cluster: Cluster) -> None:
    with public_documents(issuer_cluster):
        audience = "--audience=vault"

        assert failures(ISSUER, *flags_of(issuer_cluster), *access_to(issuer_cluster), audience) == {}


def test_the_documents_at_another_host(issuer_cluster: Cluster, tmp_path: Path) -> None:
    token = token_of(issuer_cluster, tmp_path / "token")
    with serving(tmp_path) as served:
        for path in (DISCOVERY, JWKS):
            served.answers[path] = Answer(200, json.dumps(issuer_cluster.admin.get(path)).encode())

        assert failures(ISSUER, *served.flags, token) == {}


def test_a_token_of_another_cluster(issuer_cluster: Cluster, cluster: Cluster, tmp_path: Path) -> None:
    ensure_default_account(cluster)
    token = token_of(cluster, tmp_path / "token")
    with public_documents(issuer_cluster):
        found = failures(ISSUER, *flags_of(issuer_cluster), token)

    assert found.keys() == {"iss", "kid"}
    assert found["iss"] == f"the token is of another issuer: {CLUSTER_ISSUER!r}"


def test_an_issuer_inside_of_the_cluster(cluster: Cluster) -> None:
    assert failures(CLUSTER_ISSUER, *flags_of(cluster)) == {
        "host": "kubernetes.default.svc is a name inside of a network, which AWS cannot resolve",
        "discovery-access": f"{CLUSTER_ISSUER}{DISCOVERY}: HTTP 403",
    }


def test_the_keys_of_an_api_server_that_names_itself(cluster: Cluster) -> None:
    with public_documents(cluster):
        found = failures(CLUSTER_ISSUER, *flags_of(cluster))

    assert found.keys() == {"host", "jwks-uri"}
    assert f"{cluster.network.server} is an address inside of a network" in found["jwks-uri"]
