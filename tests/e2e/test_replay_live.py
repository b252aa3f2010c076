"""`replay --live`: reads ServiceAccounts and role mappings from the cluster, on an admin's computer.

The chart is not installed here: test_replay_predicts.py has the rest of what replay reads.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.api import ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.objects import OTHER_ROLE, ROLE, config_maps, pod, pods, service_account, service_accounts
from tests.e2e.rbac import account_with
from tests.e2e.webhook_process import Webhook

_ROOT = Path(__file__).parents[2]
_START = "pod-identity-webhook replay:"
_NOT_INSTALLED = (
    f"{_START} mutatingwebhookconfigurations pod-identity-webhook does not exist\n"
    f"{_START} without the MutatingWebhookConfiguration pod-identity-webhook, the cluster does not call the "
    "webhook: what follows is what it would do if it were installed; if yours has another name, set "
    "--webhook-configuration\n"
    f"{_START} the flags of the running webhook cannot be read: replay uses its own flags and their defaults\n"
)


@dataclass
class _Desk:
    """An admin's computer with a kubeconfig of one cluster and a folder of manifests."""

    cluster: Cluster
    namespace: str
    folder: Path
    kubeconfig: Path

    def manifest(self, *objects: Object) -> None:
        """Writes the manifests to replay; their default namespace is the test's."""
        texts = [json.dumps({"apiVersion": "v1", **each}) for each in objects]
        (self.folder / "manifests.yaml").write_text("\n---\n".join(texts))

    def replay(self, *flags: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "webhook", "replay", "--live", "--output=patch"]
        command += [f"--kubeconfig={kubeconfig or self.kubeconfig}", f"--namespace={self.namespace}", *flags]
        return subprocess.run(
            [*command, str(self.folder / "manifests.yaml")],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def roles(self, *flags: str, said: str = "") -> list[str | None]:
        """Replays the manifests and returns the roles of their pods, in order.

        Standard error must have the lines about the chart, which is not installed, and then equal `said`.
        """
        done = self.replay(*flags)
        *lines, count = done.stderr.splitlines(keepends=True)
        assert (done.returncode, "".join(lines)) == (0, _NOT_INSTALLED + said)
        assert count.startswith("pod-identity-webhook replay: ")
        assert " replayed: " in count
        return [_role(json.loads(line)) for line in done.stdout.splitlines()]


def _role(patch: list[Object]) -> str | None:
    for operation in patch:
        values = operation["value"] if isinstance(operation["value"], list) else [operation["value"]]
        for value in values:
            if value.get("name") == "AWS_ROLE_ARN":
                return str(value["value"])
    return None


def _pod(name: str, account: str) -> Object:
    return {"kind": "Pod", **pod(name, account)}


def _account(name: str, role: str | None) -> Object:
    return {"kind": "ServiceAccount", **service_account(name, role)}


@pytest.fixture
def desk(cluster: Cluster, namespace: str, tmp_path: Path) -> _Desk:
    return _Desk(cluster, namespace, tmp_path, cluster.kubeconfig)


def test_accounts_come_from_the_cluster_and_missing_ones_from_the_manifests(desk: _Desk) -> None:
    accounts = service_accounts(desk.namespace)
    desk.cluster.admin.create(accounts, service_account("both", ROLE))
    desk.cluster.admin.create(accounts, service_account("in-cluster", ROLE))
    desk.cluster.admin.create(accounts, service_account("without"))
    desk.manifest(
        *(_account(name, OTHER_ROLE) for name in ("both", "without", "in-manifests")),
        *(_pod(name, name) for name in ("both", "in-cluster", "without", "in-manifests")),
    )
    assert desk.roles() == [ROLE, ROLE, None, OTHER_ROLE]


def test_a_service_account_that_is_nowhere_is_refused_as_the_api_server_refuses_it(desk: _Desk) -> None:
    desk.manifest(_pod("app", "nowhere"))
    done = desk.replay()
    why = f"ServiceAccount {desk.namespace}/nowhere not found: the API server would refuse the pod"
    assert (done.returncode, done.stdout) == (1, "[]\n")
    assert done.stderr.endswith(f": denied: {why}\npod-identity-webhook replay: 1 replayed: 1 denied\n")
    with pytest.raises(ApiError, match=r"nowhere.* not found"):
        desk.cluster.admin.create(pods(desk.namespace), pod("app", "nowhere"), dryRun="All")


def test_replay_gives_a_pod_the_same_answer_as_the_running_webhook(
    desk: _Desk, webhook: Webhook, injected: str, cluster: Cluster
) -> None:
    cluster.admin.create(service_accounts(injected), service_account("app", ROLE))
    desk.namespace = injected
    desk.manifest(_pod("app", "app"))
    assert desk.roles() == [webhook.review(injected, pod("app", "app")).role] == [ROLE]


def test_another_context_is_another_cluster(desk: _Desk, own_cluster: Cluster, cluster: Cluster) -> None:
    own_cluster.admin.create("/api/v1/namespaces", {"metadata": {"name": desk.namespace}})
    for each, role in ((cluster, ROLE), (own_cluster, OTHER_ROLE)):
        each.admin.create(service_accounts(desk.namespace), service_account("app", role))
    first, second = (json.loads(each.kubeconfig.read_text()) for each in (cluster, own_cluster))
    for member, key in (("clusters", "cluster"), ("users", "user")):
        first[member].append({"name": "second", key: second[member][0][key]})
    first["contexts"].append({"name": "second", "context": {"cluster": "second", "user": "second"}})
    desk.kubeconfig = desk.folder / "kubeconfig"
    desk.kubeconfig.write_text(json.dumps(first))
    desk.manifest(_pod("app", "app"))
    assert desk.roles() == [ROLE]
    assert desk.roles("--context=second") == [OTHER_ROLE]
    assert desk.roles(f"--kube-api={cluster.url}") == [ROLE]

    unknown = desk.replay("--context=third")
    assert (unknown.returncode, unknown.stdout, unknown.stderr.count("\n")) == (1, "", 1)
    assert str(desk.kubeconfig) in unknown.stderr
    assert "third" in unknown.stderr


def test_role_mappings_come_from_the_config_map_in_the_webhooks_namespace(desk: _Desk) -> None:
    webhooks = desk.cluster.namespace("mappings")
    desk.cluster.admin.create(service_accounts(desk.namespace), service_account("mapped"))
    desk.cluster.admin.create(service_accounts(desk.namespace), service_account("annotated", ROLE))
    mapping = {f"{desk.namespace}/mapped": {"RoleARN": OTHER_ROLE}}
    desk.manifest(*(_pod(name, name) for name in ("mapped", "annotated")))
    problem = f"ConfigMap {webhooks}/pod-identity-webhook does not exist: no role mappings"
    missing = f"pod-identity-webhook replay: {problem}\n"
    flags = ("--watch-config-map", f"--config-map-namespace={webhooks}")
    assert desk.roles(*flags, said=missing) == [None, ROLE]
    desk.cluster.admin.create(
        config_maps(webhooks),
        {"metadata": {"name": "pod-identity-webhook"}, "data": {"config": json.dumps(mapping)}},
    )
    assert desk.roles() == [None, ROLE]
    assert desk.roles(*flags) == [OTHER_ROLE, ROLE]


@pytest.mark.parametrize("refused", ["serviceaccounts", "configmaps"])
def test_if_rbac_refuses_a_line_names_the_missing_rule(desk: _Desk, refused: str) -> None:
    rules: list[Object] = [{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]}]
    account = account_with(
        desk.cluster,
        desk.namespace,
        "desk",
        cluster_rules=[] if refused == "serviceaccounts" else rules,
        namespace_rules=[] if refused == "configmaps" else [{**rules[0], "resources": ["configmaps"]}],
    )
    desk.kubeconfig = desk.cluster.write_kubeconfig(f"{desk.namespace}-desk", account.token)
    desk.manifest(_pod("app", "desk"))
    done = desk.replay("--watch-config-map", f"--config-map-namespace={desk.namespace}")
    first, *_, last = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    configurations = 'apiGroups: ["admissionregistration.k8s.io"], resources: ["mutatingwebhookconfigurations"]'
    assert f'grant {configurations}, verbs: ["get"], resourceNames: ["pod-identity-webhook"] in a ClusterRole' in first
    place = {
        "serviceaccounts": "in a ClusterRole",
        "configmaps": f', resourceNames: ["pod-identity-webhook"] in a Role in namespace {desk.namespace}',
    }
    rule = f'grant apiGroups: [""], resources: ["{refused}"], verbs: ["get"]'
    assert rule in last
    assert place[refused] in last


def test_a_token_that_the_cluster_does_not_know_is_reported_in_one_line(desk: _Desk) -> None:
    desk.kubeconfig = desk.cluster.write_kubeconfig(f"{desk.namespace}-nobody", "not-a-token")
    desk.manifest(_pod("app", "app"))
    done = desk.replay()
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "401" in done.stderr
    assert "credentials" in done.stderr


def test_an_unreachable_api_server_is_reported_in_one_line(desk: _Desk, own_cluster: Cluster) -> None:
    desk.kubeconfig = own_cluster.kubeconfig
    desk.manifest(_pod("app", "app"))
    own_cluster.stop_api_server()
    done = desk.replay()
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"the API server at {own_cluster.url} cannot be reached" in done.stderr
