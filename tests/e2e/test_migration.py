"""Runs the commands of docs/migration.md as shown: no pod misses its role at any step, and none is patched twice.

A stand-in patches pods as the Go webhook does. No node runs here, so `kubectl rollout status` waits for the processes
that the tests run as the Deployment says.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import helm_python
import pytest
import yaml

from tests.docs.pages import ROOT, commands
from tests.e2e.api import ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.deployment import Deployment
from tests.e2e.foreign_kinds import define_foreign_kinds
from tests.e2e.go_webhook import GoSettings
from tests.e2e.objects import OTHER_ROLE, ROLE, pod, pods, service_account, service_accounts
from tests.e2e.old_installations import OldChart, OldManifests, kops_extras
from tests.e2e.release_pods import ReleasePods
from tests.e2e.waiting import wait_until
from tests.helm_command import helm_command

PAGE: Final = ROOT / "docs/migration.md"
SECTIONS: Final = ("From the other chart", "From plain manifests", "From the addon of kOps")
OURS: Final = "pod-identity-webhook"
OUR_NAMESPACE: Final = "pod-identity-webhook"
USERS: Final = "shop"
# What step 2 of "From the other chart" removes from the file.
REMOVED: Final = ("image", "livenessProbe", "readinessProbe", "fullnameOverride")
REMOVED_PKI: Final = ("caBundle", "cert", "key")

Old = OldChart | OldManifests


class Walk:
    """The way from one old installation to ours, in a folder of its own. `name` is the name of our objects."""

    def __init__(self, cluster: Cluster, directory: Path, old: Old, name: str) -> None:
        self.old = old
        self._cluster = cluster
        self._directory = directory
        self._name = name
        self._expected: dict[str, Object] = {}
        self.deployment = Deployment(cluster, directory, OUR_NAMESPACE, name)

    def begin(self) -> None:
        """Installs the old webhook, and notes what it gives to pods."""
        self.old.install()
        wait_until(self._is_old_called, "the API server to call the old webhook", within=20)
        self._expected = self._given()
        assert all(given["variables"] for given in self._expected.values())

    def run(self, line: str) -> None:
        """Runs a command as shown; then checks what pods get."""
        command, _, file = line.partition(" > ")
        if command.startswith("helm "):
            output = self._helm(command)
        elif " rollout status " in command:
            assert command.endswith(f" deployment/{self._name}")
            self.deployment.wait_rolled_out()
            output = ""
        else:
            output = self._kubectl(command)
        if file:
            (self._directory / file).write_text(_edited(output) if file == "values.yaml" else output, encoding="utf-8")
        if " run " in command:
            assert sorted(output.split()) == sorted(self._expected["reports"]["variables"])
        if "delete mutatingwebhookconfiguration" in command and not command.endswith(f" {self._name}"):
            # An API server learns of it within milliseconds; an admin types the next command later.
            wait_until(lambda: not self._is_old_called(), "the end of the calls", within=20)
        assert self._given() == self._expected, line
        assert self.deployment.trouble == []

    def close(self) -> None:
        with helm_python.Config(kubeconfig_path=self._cluster.kubeconfig, namespace=OUR_NAMESPACE) as helm:
            for release in (OURS, "identity"):
                helm.uninstall(release, ignore_not_found=True)
        self.deployment.close()
        self.old.close()

    def _helm(self, line: str) -> str:
        shown = helm_command(line)
        with helm_python.Config(kubeconfig_path=self._cluster.kubeconfig, namespace=shown.namespace) as helm:
            if shown.verb == "get":
                return yaml.safe_dump(helm.get_values(shown.release))
            if shown.verb == "uninstall":
                helm.uninstall(shown.release)
                if shown.namespace == OUR_NAMESPACE:
                    self.deployment.wait_ended()
                return ""
            values = shown.all_values(self._directory)
            helm.install(ROOT / shown.chart, shown.release, values, create_namespace=shown.create_namespace)
        return ""

    def _kubectl(self, line: str) -> str:
        answer = self._cluster.kubectl(*shlex.split(line)[1:])
        assert answer.returncode == 0, (line, answer.stderr)
        return answer.stdout

    def _given(self) -> dict[str, Object]:
        """Returns what pods of each user's ServiceAccount get now, each thing once."""
        return {account: _injected(self._create(account)) for account in ("reports", "mapped")}

    def _create(self, account: str) -> Object:
        return self._cluster.admin.create(pods(USERS), pod("app", account), dryRun="All")

    def _is_old_called(self) -> bool:
        before = self.old.go.calls
        try:
            self._create("reports")
        except ApiError:
            return False
        return self.old.go.calls != before


def _edited(values: str) -> str:
    """Removes from a values file what the document says."""
    made = yaml.safe_load(values)
    pki = {key: value for key, value in made["pki"].items() if key not in REMOVED_PKI}
    return yaml.safe_dump({key: value for key, value in made.items() if key not in REMOVED} | {"pki": pki})


def _injected(created: Object) -> Object:
    """Returns the variables, mounts and tokens of a created pod. Fails if one is there twice."""
    (container,) = created["spec"]["containers"]
    variables = {one["name"]: one["value"] for one in container.get("env", [])}
    assert len(variables) == len(container.get("env", [])), container["env"]
    mounts = {one["mountPath"]: one["name"] for one in container.get("volumeMounts", [])}
    assert len(mounts) == len(container.get("volumeMounts", [])), container["volumeMounts"]
    volumes = {
        one["name"]: one["projected"]["sources"] for one in created["spec"].get("volumes", []) if "projected" in one
    }
    assert len(volumes) == len(created["spec"].get("volumes", [])) <= 1, created["spec"]["volumes"]
    return {"variables": variables, "mounts": mounts, "volumes": volumes}


@contextmanager
def _walk(walk: Walk) -> Iterator[Walk]:
    try:
        yield walk
    finally:
        walk.close()


@pytest.fixture
def load(cluster: Cluster) -> ReleasePods:
    """Users who create pods all the time, and the ServiceAccounts of the document."""
    define_foreign_kinds(cluster)
    cluster.kubectl("create", "namespace", USERS)
    for name, role in (("reports", ROLE), ("mapped", OTHER_ROLE)):
        _put_account(cluster, service_account(name, role))
    return ReleasePods(cluster)


def _put_account(cluster: Cluster, account: Object) -> None:
    # Kubernetes 1.20 refuses pods until a controller has made the account's own token.
    body = {"apiVersion": "v1", "kind": "ServiceAccount", **account, "automountServiceAccountToken": False}
    cluster.kubectl("--namespace", USERS, "delete", "--ignore-not-found", "serviceaccount", account["metadata"]["name"])
    cluster.admin.create(service_accounts(USERS), body)


def _roles(load: ReleasePods) -> dict[str, str]:
    return {f"{USERS}/reports": ROLE, f"{USERS}/mapped": OTHER_ROLE, f"{load.namespace}/app": ROLE}


def _follow(walk: Walk, load: ReleasePods, section: str, *, returns: bool = True) -> None:
    """Walks a section: to the check and back, all the way, and, if the old webhook can return by itself, back again."""
    *there, remove, uninstall = commands(PAGE, section)
    checked = next(number for number, line in enumerate(there) if " run " in line) + 1
    installed = next(number for number, line in enumerate(there) if line.startswith("helm install "))
    walk.begin()
    with load, load.during(section) as operation:
        for line in [*there[:checked], remove, uninstall, *there[installed:]]:
            walk.run(line)
        assert walk.old.left() == ""
        walk.old.go.close()
        if returns:
            walk.old.install()
            for line in (remove, uninstall):
                walk.run(line)
    assert operation.refused["unlabelled"] == []
    assert operation.unpatched["unlabelled"] == 0
    assert operation.patched["unlabelled"] > 0


def test_from_the_other_chart(cluster: Cluster, tmp_path: Path, load: ReleasePods) -> None:
    settings = GoSettings(_roles(load), region="us-east-1", is_sts_regional=True)
    values: dict[str, Any] = {
        "image": {"registry": "public.ecr.aws", "tag": "v0.6.4"},
        "pki": {"certManager": {"enabled": False}, "caBundle": "PEM", "cert": "PEM", "key": "PEM"},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "https", "scheme": "HTTPS"}},
        "serviceAnnotations": {"example.com/team": "cloud"},
        "cert-manager": {"enabled": False},
        "replicaCount": 1,
    }
    with _walk(Walk(cluster, tmp_path, OldChart(cluster, tmp_path, settings, values), OURS)) as walk:
        _follow(walk, load, "From the other chart")


def test_from_plain_manifests(cluster: Cluster, tmp_path: Path, load: ReleasePods) -> None:
    old = OldManifests(cluster, tmp_path, "default", GoSettings(_roles(load)))
    with _walk(Walk(cluster, tmp_path, old, f"identity-{OURS}")) as walk:
        _follow(walk, load, "From plain manifests")


def test_from_the_addon_of_kops(cluster: Cluster, tmp_path: Path, load: ReleasePods) -> None:
    _put_account(cluster, service_account("mapped"))
    settings = GoSettings(_roles(load), audience="amazonaws.com", region="eu-west-1", is_sts_regional=True)
    extras = kops_extras({f"{USERS}/mapped": {"RoleARN": OTHER_ROLE}})
    old = OldManifests(cluster, tmp_path, "kube-system", settings, extras, failure_policy="Fail")
    with _walk(Walk(cluster, tmp_path, old, f"identity-{OURS}")) as walk:
        # After the last step, only kOps itself can bring the addon back.
        _follow(walk, load, "From the addon of kOps", returns=False)


def test_every_command_of_the_page_is_run() -> None:
    assert [line for section in SECTIONS for line in commands(PAGE, section)] == commands(PAGE)
