"""`replay --url` reaches the webhook of an installed chart, as docs/replay.md shows, and the API server's trust holds.

There is no kubelet here, so a plain TCP forward takes the place of `kubectl port-forward`. tests/cluster_e2e runs that.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.docs.forwarding import shown
from tests.e2e.balancer import Backend, Balancer
from tests.e2e.cluster import Cluster
from tests.e2e.helm_release import HelmRelease
from tests.e2e.objects import service_accounts

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def release(cluster: Cluster, tmp_path: Path) -> Iterator[HelmRelease]:
    own = HelmRelease(cluster, tmp_path)
    yield own
    own.close()


@pytest.fixture
def cluster_ip(release: HelmRelease, cluster: Cluster) -> str:
    """The ClusterIP of the installed webhook, which knows the ServiceAccounts of the examples."""
    accounts = list(yaml.safe_load_all((_ROOT / "examples/service-accounts.yaml").read_text()))
    cluster.admin.ensure("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    for account in accounts:
        cluster.admin.ensure(service_accounts("shop"), account)
    release.install({})
    release.deployment.wait_rolled_out()
    service = cluster.admin.get(f"/api/v1/namespaces/{release.namespace}/services/{release.name}")
    return str(service["spec"]["clusterIP"])


def _run(cluster: Cluster, words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "webhook", *words],
        cwd=_ROOT,
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_webhook_is_asked_as_shown_through_a_forward_and_through_its_cluster_ip(
    cluster: Cluster, release: HelmRelease, cluster_ip: str
) -> None:
    address = f"127.{cluster.network.number}.0.99"
    page = shown(release.name, release.namespace, local=f"{address}:443", cluster_ip=cluster_ip)
    forward = Balancer(address, lambda: [Backend(443, None, cluster_ip)])
    try:
        through_forward = [_run(cluster, words) for words in page.through_forward]
        assert forward.connections == len(through_forward) == 1
    finally:
        forward.close()
    done = [*through_forward, *(_run(cluster, words) for words in page.through_cluster_ip)]

    count = "pod-identity-webhook replay: 3 replayed: 2 injected, 1 unchanged\n"
    assert [(each.returncode, each.stderr) for each in done] == [(0, count)] * 3
    for each in done:
        assert (each.stdout.count("\n# patched: injected\n"), each.stdout.count("\n# unchanged: no_role")) == (2, 1)
    # kubectl would forward to this port of the Service.
    assert page.forward[-2:] == [f"service/{release.name}", "8443:443"]


def test_another_name_or_no_name_is_refused(cluster: Cluster, release: HelmRelease, cluster_ip: str) -> None:
    words = ["replay", f"--url=https://{cluster_ip}/mutate", "examples/reviews"]
    other = _run(cluster, [*words, "--ca-from-cluster", "--server-name=pod-identity-webhook.elsewhere.svc"])
    (bundle,) = release.written()[0]
    ca = cluster.directory / "ca-of-the-release.crt"
    ca.write_bytes(bundle)
    nameless = _run(cluster, [*words, f"--ca={ca}"])
    named = _run(cluster, [*words, f"--ca={ca}", f"--server-name={release.name}.{release.namespace}.svc"])

    assert (other.returncode, nameless.returncode, named.returncode) == (1, 1, 0)
    assert other.stderr.endswith(" (is --server-name one of the names in its certificate?)\n")
    assert nameless.stderr.endswith(" (is the host of --url one of the names in its certificate?)\n")
