"""`replay --live` predicts, pod by pod, what the API server with the installed chart makes of a pod.

The API server adds defaults of its own to each pod, which replay does not print. So after the webhook is uninstalled,
the test lets the same API server add them to replay's pods too, and then compares whole pods.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.api import Object
from tests.e2e.cluster import Cluster
from tests.e2e.helm_release import HelmRelease
from tests.e2e.objects import ROLE, config_maps, pod, pods, role_of, service_accounts
from tests.e2e.predicted_pods import ACCOUNTS, NAMESPACES, VALUES, identities, mapping, predicted_pods
from tests.e2e.waiting import wait_until

_ROOT = Path(__file__).parents[2]
# Members that differ from one creation of the same pod to the next.
_RANDOM = ("uid", "creationTimestamp", "managedFields")
# The volume of the cluster's own token has a random name. It also has another place in the list: the API server adds it
# before the webhook's volume, but can only add it after that of replay's pod.
_OWN_TOKEN = "kube-api-access-"


@pytest.fixture
def release(cluster: Cluster, tmp_path: Path) -> Iterator[HelmRelease]:
    own = HelmRelease(cluster, tmp_path)
    yield own
    own.close()


@pytest.fixture
def namespaces(cluster: Cluster) -> dict[str, str]:
    """The namespaces by purpose, with their ServiceAccounts; also kube-system."""
    made = {}
    for purpose, labels in NAMESPACES.items():
        made[purpose] = cluster.namespace(purpose)
        cluster.admin.patch(f"/api/v1/namespaces/{made[purpose]}", {"metadata": {"labels": labels}})
    for name in (*made.values(), "kube-system"):
        for account in ACCOUNTS:
            cluster.admin.ensure(service_accounts(name), account)
        path = f"{service_accounts(name)}/default"
        wait_until(lambda path=path: cluster.admin.is_ok(path), path, within=30)  # type: ignore[misc]
    return made


def test_replay_of_a_live_cluster_predicts_whole_pods(
    cluster: Cluster, release: HelmRelease, namespaces: dict[str, str], tmp_path: Path
) -> None:
    _install(cluster, release, namespaces)
    kubeconfig = _kubeconfig(cluster, tmp_path, namespaces["plain"])
    manifests = predicted_pods(namespaces, cluster.version)
    assert len(manifests) >= 40

    actual = {name: _dry_run(cluster, kubeconfig, manifest) for name, manifest in manifests.items()}
    predicted = _replayed(kubeconfig, manifests, tmp_path, identities(namespaces))
    release.uninstall()
    plain = pods(namespaces["plain"])
    wait_until(
        lambda: role_of(cluster.admin.create(plain, pod("app", "app"), dryRun="All")) is None,
        "the API server to call no webhook",
        within=20,
    )
    defaulted = {name: _dry_run(cluster, kubeconfig, made) for name, made in predicted.items()}

    wrong = {name: (made, defaulted.get(name)) for name, made in actual.items() if made != defaulted.get(name)}
    assert wrong == {}, sorted(wrong)
    # Otherwise the comparison would prove little.
    roles = [
        role_of(made) for made in actual.values() if made is not None and made["spec"]["containers"][0]["name"] == "app"
    ]
    assert (roles.count(ROLE) > 10, roles.count(None) > 10, list(actual.values()).count(None) > 5) == (True,) * 3


def _install(cluster: Cluster, release: HelmRelease, namespaces: dict[str, str]) -> None:
    data = {"identities.json": json.dumps(identities(namespaces))}
    cluster.admin.create(config_maps(release.namespace), {"metadata": {"name": "identities"}, "data": data})
    config = VALUES["config"] | {"podIdentityWebhookMap": {"enabled": True, "data": mapping(namespaces)}}
    release.install(VALUES | {"config": config})
    release.deployment.wait_rolled_out()
    for purpose in ("plain", "requiring"):
        path = pods(namespaces[purpose])
        wait_until(
            lambda path=path: role_of(cluster.admin.create(path, pod("app", "app"), dryRun="All")) == ROLE,  # type: ignore[misc]
            f"the API server to call the webhook for {path}",
            within=20,
        )


def _kubeconfig(cluster: Cluster, folder: Path, namespace: str) -> Path:
    """Writes a kubeconfig whose context has a namespace."""
    config = json.loads(cluster.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def _dry_run(cluster: Cluster, kubeconfig: Path, manifest: Object) -> Object | None:
    """Returns the pod that `kubectl create --dry-run=server` shows; None if the API server refuses it."""
    arguments = (f"--kubeconfig={kubeconfig}", "create", "--dry-run=server", "--output=json", "--filename=-")
    done = cluster.kubectl(*arguments, stdin=manifest)
    if done.returncode != 0:
        # An error of the test itself must not look like a refusal.
        assert any(text in done.stderr for text in ("denied the request", "not found", "forbidden")), done.stderr
        return None
    made: Object = json.loads(done.stdout)
    made["metadata"] = {key: value for key, value in made["metadata"].items() if key not in _RANDOM}
    return _without_own_token(made)


def _without_own_token(made: Object) -> Object:
    spec = made["spec"]
    spec["volumes"] = [each for each in spec.get("volumes", []) if not each["name"].startswith(_OWN_TOKEN)]
    for container in spec["containers"]:
        mounts = container.get("volumeMounts", [])
        container["volumeMounts"] = [each for each in mounts if not each["name"].startswith(_OWN_TOKEN)]
    return made


def _replayed(kubeconfig: Path, manifests: dict[str, Object], folder: Path, credentials: Any) -> dict[str, Object]:
    """Returns the pods that replay prints, by name; it prints none that the API server would refuse."""
    (folder / "pods.yaml").write_text(yaml.safe_dump_all(manifests.values()))
    (folder / "identities.json").write_text(json.dumps(credentials))
    command = [sys.executable, "-m", "webhook", "replay", "--live", "--output=pod", f"--kubeconfig={kubeconfig}"]
    command.append(f"--watch-container-credentials-config={folder / 'identities.json'}")
    done = subprocess.run(
        [*command, str(folder / "pods.yaml")], cwd=_ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stderr
    taken = "--token-expiration=7200 --aws-default-region=eu-west-1 --sts-regional-endpoint=true"
    assert f" {taken} " in done.stderr, done.stderr
    return {made["metadata"]["name"]: made for made in yaml.safe_load_all(done.stdout)}
