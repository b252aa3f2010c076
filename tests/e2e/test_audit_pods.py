"""`audit` finds the pods that are not as they would be if created now, and nothing else."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.charts.rendering import Rendered
from tests.docs.pages import commands
from tests.e2e.cluster import Cluster
from tests.e2e.objects import OTHER_ROLE, ROLE
from tests.e2e.planted_pods import NAME, PlantedCluster
from tests.e2e.rbac import account_with
from tests.e2e.webhook_process import Webhook

MAPPINGS = {"enabled": True, "name": "pod-identity-webhook"}
_ROOT = Path(__file__).parents[2]
_START = "pod-identity-webhook audit:"


@pytest.fixture(scope="module")
def planted(breakable_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlantedCluster]:
    """A cluster with planted pods; its webhook is away by now."""
    cluster = breakable_cluster
    account = account_with(cluster, cluster.namespace("webhook"))
    webhook = Webhook(cluster, tmp_path_factory.mktemp("webhook"), account, "--watch-config-map")
    try:
        webhook.start()
        made = PlantedCluster(cluster, webhook)
        made.register()
        made.plant(fine=100, each_kind=2)
        yield made
    finally:
        webhook.remove()


def audit(kubeconfig: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "webhook", "audit", f"--kubeconfig={kubeconfig}", *flags]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=120, check=False)


def found_by(done: subprocess.CompletedProcess[str]) -> set[tuple[str, str, str, str]]:
    return {(each["namespace"], each["pod"], each["finding"], each["reason"]) for each in json.loads(done.stdout)}


def test_it_finds_the_planted_pods_of_ten_kinds_and_nothing_else(planted: PlantedCluster) -> None:
    done = audit(planted.cluster.kubeconfig, "-A", f"--webhook-configuration={NAME}", "-o", "json")
    assert found_by(done) == planted.expected, done.stderr
    assert done.returncode == 1
    assert (
        f"{_START} flags of Deployment {planted.webhook.namespace}/pod-identity-webhook: --watch-config-map=true"
        in (done.stderr)
    )


def test_pods_are_grouped_by_their_deployment_and_no_line_is_cut(planted: PlantedCluster) -> None:
    done = audit(planted.cluster.kubeconfig, "-n", "audited-0", f"--webhook-configuration={NAME}")
    blocks = done.stdout.split("\n\n")
    (web,) = [block for block in blocks if block.startswith("Deployment audited-0/web\n")]
    assert [line.split()[0] for line in web.splitlines() if line.startswith("    ")] == [
        "planted-away-0",
        "planted-role-0",
    ]
    assert f"  role {ROLE}, now {OTHER_ROLE} (container app)\n" in web


def test_without_a_configuration_it_says_so_and_looks_at_every_pod(planted: PlantedCluster) -> None:
    done = audit(planted.cluster.kubeconfig, "-A", "--webhook-configuration=not-there", "-o", "json")
    assert "mutatingwebhookconfigurations not-there does not exist" in done.stderr
    assert "the flags of the running webhook cannot be read: audit uses its own flags and their defaults" in done.stderr
    # Without flags, there are no role mappings; without a configuration, its selectors do not matter.
    pods = {(namespace, name) for namespace, name, *_ in found_by(done)}
    assert pods == {
        (namespace, name) for namespace, name, *_ in planted.expected if not name.startswith("planted-mapped")
    }


def test_with_the_role_view_alone_it_says_what_it_could_not_see(planted: PlantedCluster) -> None:
    cluster = planted.cluster
    home = cluster.namespace("viewer")
    account = account_with(cluster, home, "viewer", cluster_rules=[], namespace_rules=[])
    binding = {
        "metadata": {"name": home},
        # The rules of `view`, which a controller would copy to it.
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:aggregate-to-view",
        },
        "subjects": [{"kind": "ServiceAccount", "namespace": home, "name": "viewer"}],
    }
    cluster.admin.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    kubeconfig = cluster.write_kubeconfig(f"{home}-viewer", account.token)
    done = audit(kubeconfig, "-n", "audited-0", f"--webhook-configuration={NAME}", "-o", "json")
    assert done.returncode == 1, done.stderr
    rule = 'apiGroups: ["admissionregistration.k8s.io"], resources: ["mutatingwebhookconfigurations"]'
    assert f'grant {rule}, verbs: ["get"], resourceNames: ["{NAME}"] in a ClusterRole' in done.stderr
    names = {name for _, name, *_ in found_by(done)}
    assert names == {name for where, name, *_ in planted.expected if where == "audited-0" and "mapped" not in name}


def test_the_documented_commands_work(planted: PlantedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    # They evict nothing, because injection does not work: the webhook is away.
    planted.cluster.admin.ensure("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    monkeypatch.setenv("KUBECONFIG", str(planted.cluster.kubeconfig))
    shown = [command for command in commands(_ROOT / "docs/audit-pods.md") if " audit" in command]
    assert len(shown) == 5
    for command in shown:
        done = subprocess.run(
            [sys.executable, "-m", "webhook", *shlex.split(command)[1:]],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode in {0, 1}, done.stderr
        assert " pods read: " in done.stderr


def test_findings_become_events_on_the_owners(planted: PlantedCluster) -> None:
    flags = ("-n", "audited-1", f"--webhook-configuration={NAME}", "--events")
    # The second audit updates the Events of the first.
    for _ in range(2):
        done = audit(planted.cluster.kubeconfig, *flags)
        assert "no Event" not in done.stderr
    found = planted.cluster.admin.get("/api/v1/namespaces/audited-1/events")["items"]
    of_web = [each for each in found if each["involvedObject"]["name"] == "web"]
    assert sorted((each["involvedObject"]["kind"], each["reason"], each["type"]) for each in of_web) == [
        ("Deployment", "PodIdentityChanged", "Warning"),
        ("Deployment", "PodIdentityMissing", "Warning"),
    ]
    assert all(each["involvedObject"]["uid"] == "deployment" for each in of_web)
    assert "1 of its pods lack their AWS role (planted-away-1): webhook-away" in {
        each["message"].partition(";")[0] for each in of_web
    }


@pytest.mark.parametrize("evicts", [False, True], ids=["reads", "evicts"])
def test_the_rights_of_the_charts_audit_are_enough(planted: PlantedCluster, evicts: bool) -> None:
    rendered = Rendered({"audit": {"enabled": True, "evict": evicts}, "config": {"podIdentityWebhookMap": MAPPINGS}})
    rules = {
        kind: next(each["rules"] for each in rendered.all(kind) if "audit" in each["metadata"]["name"])
        for kind in ("ClusterRole", "Role")
    }
    home, name = planted.webhook.namespace, f"auditor-{evicts}".lower()
    account = account_with(
        planted.cluster, home, name, cluster_rules=rules["ClusterRole"], namespace_rules=rules["Role"]
    )
    kubeconfig = planted.cluster.write_kubeconfig(name, account.token)
    flags = ["--evict", "--dry-run"] if evicts else []
    done = audit(kubeconfig, "-A", f"--webhook-configuration={NAME}", "-o", "json", "--events", *flags)
    assert found_by(done) == planted.expected
    assert "grant" not in done.stderr, done.stderr
    assert ("stopped: injection does not work now" in done.stderr) is evicts


def test_a_clean_namespace_has_no_findings(planted: PlantedCluster) -> None:
    done = audit(planted.cluster.kubeconfig, "-n", planted.cluster.namespace("clean"), "-o", "json")
    assert (done.returncode, done.stdout) == (0, "[]\n")
    assert done.stderr.endswith(f"{_START} 0 pods read: no findings\n")
