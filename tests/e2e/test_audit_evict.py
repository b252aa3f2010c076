"""`audit --evict` on an API server alone: the test plays the controller that replaces pods."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.api import ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.objects import ROLE, ROLE_ANNOTATION, pod, pods, role_of, service_account, service_accounts
from tests.e2e.rbac import account_with
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import Webhook

_ROOT = Path(__file__).parents[2]
_START = "pod-identity-webhook audit: "


@pytest.fixture
def webhook(own_cluster: Cluster, tmp_path: Path) -> Iterator[Webhook]:
    own = Webhook(own_cluster, tmp_path, account_with(own_cluster, own_cluster.namespace("webhook")))
    try:
        own.start()
        own.register(failure_policy="Ignore")
        yield own
    finally:
        own.remove()


class Shop:
    """A namespace with workloads whose pods were created before their ServiceAccount got its role."""

    def __init__(self, webhook: Webhook) -> None:
        self.webhook = webhook
        self.cluster = webhook.cluster
        self.namespace = webhook.pod_namespace("shop")
        self._workloads: list[tuple[str, Object]] = []
        self.cluster.admin.create(service_accounts(self.namespace), service_account("app", team="shop"))

    def add(self, kind: str, name: str, replicas: int) -> None:
        """Creates a workload and its pods. They are ready, as kubelet would say."""
        template = {"metadata": {"labels": {"app": name}}, "spec": pod("", "app")["spec"]}
        spec: Object = {"selector": {"matchLabels": {"app": name}}, "template": template}
        group, plural = {"Job": ("batch", "jobs")}.get(kind, ("apps", f"{kind.lower()}s"))
        if kind == "Job":
            spec = {"template": {"spec": {**template["spec"], "restartPolicy": "Never"}}}
        elif kind != "DaemonSet":
            spec["replicas"] = replicas
        if kind == "StatefulSet":
            spec["serviceName"] = name
        made = self.cluster.admin.create(
            f"/apis/{group}/v1/namespaces/{self.namespace}/{plural}", {"metadata": {"name": name}, "spec": spec}
        )
        reference = {"apiVersion": f"{group}/v1", "kind": kind, "name": name, "uid": made["metadata"]["uid"]}
        for _ in range(replicas):
            self._create_pod({**reference, "controller": True}, name)
        if kind != "Job":
            self._workloads += [(name, {**reference, "controller": True})] * replicas

    def annotate(self) -> None:
        """Gives the ServiceAccount its role, and waits until the webhook knows it."""
        self.cluster.admin.patch(
            f"{service_accounts(self.namespace)}/app", {"metadata": {"annotations": {ROLE_ANNOTATION: ROLE}}}
        )
        wait_until(
            lambda: self.webhook.review(self.namespace, pod("x", "app")).role == ROLE, "the webhook to know", within=20
        )

    def roles(self, name: str) -> list[str | None]:
        """Returns the roles of the pods of a workload."""
        found = self.cluster.admin.get(pods(self.namespace), labelSelector=f"app={name}")["items"]
        return [role_of(each) for each in found]

    def budget(self, name: str, allowed: int) -> None:
        """Creates or changes the PodDisruptionBudget of a workload, as its controller would."""
        admin, version = self.cluster.admin, "v1" if self.cluster.version >= (1, 22) else "v1beta1"
        path = f"/apis/policy/{version}/namespaces/{self.namespace}/poddisruptionbudgets"
        spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": name}}}
        admin.ensure(path, {"metadata": {"name": name}, "spec": spec})
        generation = admin.get(f"{path}/{name}")["metadata"]["generation"]
        counts = {"currentHealthy": 3, "desiredHealthy": 1, "expectedPods": 3, "disruptionsAllowed": allowed}
        admin.patch(f"{path}/{name}/status", {"status": {**counts, "observedGeneration": generation}})

    @contextmanager
    def controlled(self) -> Iterator[None]:
        """Replaces pods that are evicted, as controllers do."""
        ends = threading.Event()
        failures: list[BaseException] = []

        def run() -> None:
            try:
                while not ends.wait(0.2):
                    self._replace()
            except BaseException as error:  # noqa: BLE001 - the test must see it
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ends.set()
            thread.join()
        assert failures == []

    def audit(self, *flags: str, on_line: Callable[[str], None] = lambda _line: None) -> tuple[int, list[str]]:
        """Runs audit; returns its exit code and what it said on standard error."""
        command = [sys.executable, "-m", "webhook", "audit", f"-n={self.namespace}", *flags]
        command += [f"--kubeconfig={self.cluster.kubeconfig}"]
        command += [f"--webhook-configuration=pod-identity-webhook-{self.webhook.namespace}"]
        with subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            lines = []
            for line in process.stderr:
                lines.append(line.removeprefix(_START).rstrip("\n"))
                on_line(lines[-1])
        return process.returncode, lines

    def _replace(self) -> None:
        found = self.cluster.admin.get(pods(self.namespace))["items"]
        for name, reference in dict(self._workloads).items():
            there = sum(each["metadata"].get("labels", {}).get("app") == name for each in found)
            wanted = sum(each == name for each, _ in self._workloads)
            for _ in range(wanted - there):
                self._create_pod(reference, name)

    def _create_pod(self, reference: Object, name: str) -> None:
        made = pod("", "app", labels={"app": name})
        del made["metadata"]["name"]
        made["metadata"] |= {"generateName": f"{name}-", "ownerReferences": [reference]}
        created = self.cluster.admin.create(pods(self.namespace), made)
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        try:
            self.cluster.admin.patch(f"{pods(self.namespace)}/{created['metadata']['name']}/status", {"status": ready})
        except ApiError as error:
            if error.code != 404:
                raise


def test_it_heals_what_it_may_and_waits_for_the_budget(webhook: Webhook) -> None:
    shop = Shop(webhook)
    for kind, name, replicas in (
        ("ReplicaSet", "web", 3),
        ("StatefulSet", "db", 2),
        ("DaemonSet", "agent", 2),
        ("ReplicaSet", "lone", 1),
        ("Job", "work", 1),
    ):
        shop.add(kind, name, replicas)
    shop.cluster.admin.create(pods(shop.namespace), pod("bare", "app", labels={"app": "bare"}))
    shop.budget("web", allowed=0)
    shop.annotate()

    def allow(line: str) -> None:
        if "waits for its PodDisruptionBudget" in line:
            shop.budget("web", allowed=3)

    with shop.controlled():
        code, lines = shop.audit("--evict", "--yes", on_line=allow)
    assert (code, lines[-1]) == (1, "7 evicted, 3 left"), lines
    assert {name: shop.roles(name) for name in ("web", "db", "agent", "lone", "work", "bare")} == {
        "web": [ROLE] * 3,
        "db": [ROLE] * 2,
        "agent": [ROLE] * 2,
        "lone": [None],
        "work": [None],
        "bare": [None],
    }
    assert sum("waits for its PodDisruptionBudget" in line for line in lines) == 1
    assert f"left: Pod {shop.namespace}/bare: bare: it has no controller that would replace it" in lines
    (lone,) = [line for line in lines if line.startswith(f"left: ReplicaSet {shop.namespace}/lone")]
    assert lone.endswith(": it is the only replica: --evict-single-replicas evicts it")


def test_it_stops_if_the_webhook_is_switched_off_in_the_middle(webhook: Webhook) -> None:
    shop = Shop(webhook)
    shop.add("ReplicaSet", "web", 4)
    shop.annotate()

    def switch_off(line: str) -> None:
        if "is there, with its credentials" in line and webhook.process.is_running:
            webhook.process.kill()

    with shop.controlled():
        code, lines = shop.audit("--evict", "--yes", on_line=switch_off)
    assert code == 1
    assert any(line.startswith("stopped: ") for line in lines), lines
    # The one that it evicted at the very moment may have come back bare, but none after it was touched.
    evicted = sum(line.endswith(": evicted") for line in lines)
    assert evicted in {1, 2}
    assert shop.roles("web").count(ROLE) == 1


def test_a_dry_run_changes_nothing(webhook: Webhook) -> None:
    shop = Shop(webhook)
    shop.add("ReplicaSet", "web", 2)
    shop.annotate()
    before = shop.cluster.admin.get(pods(shop.namespace))["items"]
    code, lines = shop.audit("--evict", "--dry-run")
    assert (code, lines[-1]) == (1, "2 would be evicted, 0 left"), lines
    assert shop.cluster.admin.get(pods(shop.namespace))["items"] == before


def test_nothing_is_evicted_if_injection_does_not_work(webhook: Webhook) -> None:
    shop = Shop(webhook)
    shop.add("ReplicaSet", "web", 2)
    shop.annotate()
    webhook.process.kill()
    code, lines = shop.audit("--evict", "--yes")
    assert (code, lines[-1]) == (1, "0 evicted, 2 left"), lines
    assert any(line.startswith("stopped: injection does not work now") for line in lines)
