"""`audit --evict` on a cluster with nodes: it heals the pods of workloads, and loses nothing."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster_e2e.connection import ProxiedApi
from tests.cluster_e2e.release import Release
from tests.cluster_e2e.workloads import restricted_pod
from tests.e2e.api import Object
from tests.e2e.objects import ROLE, pods, role_of
from tests.e2e.waiting import wait_until

_ROOT = Path(__file__).parents[2]
_START = "pod-identity-webhook audit: "
_PATIENCE = 150.0


@dataclass
class Missed:
    """A namespace whose pods were created while the webhook was away."""

    api: ProxiedApi
    release: Release
    namespace: str
    image: str

    def create(self, kind: str, name: str, replicas: int | None = None) -> None:
        body = restricted_pod(name, self.image)
        spec = {**body["spec"], "restartPolicy": "Never" if kind == "Job" else "Always"}
        template = {"metadata": {"labels": {"app": name}}, "spec": spec}
        group = "batch" if kind == "Job" else "apps"
        wanted: Object = {"template": template}
        if kind != "Job":
            wanted["selector"] = {"matchLabels": {"app": name}}
        if replicas is not None:
            wanted["replicas"] = replicas
        if kind == "StatefulSet":
            wanted["serviceName"] = name
        path = f"/apis/{group}/v1/namespaces/{self.namespace}/{kind.lower()}s"
        self.api.create(path, {"metadata": {"name": name}, "spec": wanted})

    def bare(self, name: str) -> None:
        self.api.create(pods(self.namespace), restricted_pod(name, self.image, labels={"app": name}))

    def budget(self, least: int) -> None:
        """Creates or changes the PodDisruptionBudget of `web`."""
        path = f"/apis/policy/v1/namespaces/{self.namespace}/poddisruptionbudgets"
        spec = {"minAvailable": least, "selector": {"matchLabels": {"app": "web"}}}
        self.api.ensure(path, {"metadata": {"name": "web"}, "spec": spec})
        self.api.patch(f"{path}/web", {"spec": {"minAvailable": least}})

    def wait_ready(self, counts: dict[str, int]) -> None:
        """Waits until each workload has this number of ready pods."""
        wait_until(
            lambda: {name: sum(map(_is_ready, self.pods(name))) for name in counts} == counts,
            f"{counts} to be ready",
            within=_PATIENCE,
        )

    def pods(self, name: str) -> list[Object]:
        found: list[Object] = self.api.get(pods(self.namespace), labelSelector=f"app={name}")["items"]
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def roles(self, name: str) -> list[str | None]:
        return [role_of(each) for each in self.pods(name)]

    def uids(self, name: str) -> list[str]:
        return [each["metadata"]["uid"] for each in self.pods(name)]

    def evict(self, on_line: Callable[[str], None] = lambda _line: None) -> tuple[int, list[str]]:
        command = [sys.executable, "-m", "webhook", "audit", f"-n={self.namespace}", "--evict", "--yes"]
        command += [f"--webhook-configuration={self.release.name}"]
        lines = []
        with subprocess.Popen(
            command,
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                lines.append(line.removeprefix(_START).rstrip("\n"))
                on_line(lines[-1])
        return process.returncode, lines


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


@pytest.fixture
def missed(api: ProxiedApi, release: Release, namespace: str, image: str) -> Missed:
    release.scale(0)
    return Missed(api, release, namespace, image)


def test_it_heals_what_it_may_and_loses_nothing(missed: Missed, measured: Callable[[str], None]) -> None:
    missed.create("Deployment", "web", 3)
    missed.create("StatefulSet", "db", 2)
    missed.create("DaemonSet", "agent")
    missed.create("Job", "work")
    missed.bare("bare")
    missed.budget(3)
    nodes = len(missed.api.get("/api/v1/nodes")["items"])
    counts = {"web": 3, "db": 2, "agent": nodes, "work": 1, "bare": 1}
    missed.wait_ready(counts)
    missed.release.scale(2)
    kept = {name: missed.uids(name) for name in ("work", "bare")}

    def allow(line: str) -> None:
        # With as many pods as must be available, no eviction is allowed.
        if "waits for its PodDisruptionBudget" in line:
            missed.budget(2)

    code, lines = missed.evict(allow)
    measured("audit --evict: " + " | ".join(lines))
    assert (code, lines[-1]) == (1, f"{5 + nodes} evicted, 2 left"), lines
    missed.wait_ready(counts)
    assert {name: set(missed.roles(name)) for name in counts} == {
        "web": {ROLE},
        "db": {ROLE},
        "agent": {ROLE},
        "work": {None},
        "bare": {None},
    }
    assert {name: missed.uids(name) for name in kept} == kept
    assert any("waits for its PodDisruptionBudget" in line for line in lines)


def test_it_stops_if_the_webhook_is_switched_off_in_the_middle(missed: Missed, measured: Callable[[str], None]) -> None:
    missed.create("Deployment", "web", 4)
    missed.wait_ready({"web": 4})
    missed.release.scale(2)
    missed.budget(3)
    is_off = False

    def switch_off(line: str) -> None:
        nonlocal is_off
        if "is there, with its credentials" in line and not is_off:
            is_off = True
            # The webhook answers until it has stopped: until then, the budget allows no eviction.
            missed.budget(4)
            missed.release.scale(0)
            missed.budget(3)

    code, lines = missed.evict(switch_off)
    measured("audit --evict, without the webhook: " + " | ".join(lines))
    missed.release.scale(2)
    assert code == 1
    assert any(line.startswith("stopped: injection does not work now") for line in lines), lines
    missed.wait_ready({"web": 4})
    assert {ROLE, None} == set(missed.roles("web"))
