"""A release of the chart by the real Helm, and its objects in the cluster."""

import os
import time
from pathlib import Path
from typing import Any

import helm_python

from tests.cluster_e2e.connection import ProxiedApi
from tests.e2e.api import Object
from tests.e2e.waiting import wait_until

CHART = os.environ.get("CHART") or Path(__file__).parents[2] / "charts" / "pod-identity-webhook"
# In seconds. A node of Kubernetes 1.20 reports a pod's readiness up to a minute late.
PATIENCE = 150.0


def image_values(image: str) -> dict[str, Any]:
    """Returns the chart's values for the image `registry/repository:tag`."""
    name, _, tag = image.rpartition(":")
    registry, _, repository = name.rpartition("/")
    return {"image": {"registry": registry, "repository": repository, "tag": tag}}


class Release:
    """One release of the chart. Each method waits until the cluster has reached the new state."""

    def __init__(self, api: ProxiedApi, namespace: str, image: str, *, name: str) -> None:
        self.api = api
        self.namespace = namespace
        self.name = name
        self.image = image
        self._helm = helm_python.Config(
            namespace=namespace, kubeconfig_path=os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or None
        )

    @property
    def deployment_path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.name}"

    def install(self) -> float:
        """Installs with default values except the image; returns the seconds until all pods were ready."""
        began = time.monotonic()
        self._helm.install(CHART, self.name, image_values(self.image))
        self.wait_rolled_out()
        return time.monotonic() - began

    def upgrade(self, values: dict[str, Any]) -> None:
        self._helm.upgrade(CHART, self.name, {**image_values(self.image), **values})
        self.wait_rolled_out()

    def roll_back(self, revision: int) -> None:
        self._helm.rollback(self.name, version=revision)
        self.wait_rolled_out()

    def test(self) -> float:
        """Runs `helm test` and returns the seconds that it took. Raises HelmReleaseError if it fails."""
        began = time.monotonic()
        self._helm.test(self.name, timeout=120)
        return time.monotonic() - began

    def uninstall(self) -> None:
        self._helm.uninstall(self.name, ignore_not_found=True)
        wait_until(lambda: not self.pods(all_states=True), "the end of all pods", within=PATIENCE)

    def close(self) -> None:
        self._helm.close()

    def pods(self, *, all_states: bool = False) -> list[Object]:
        """Returns the webhook's pods; without `all_states`, only those that are not ending."""
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component=webhook"
        items: list[Object] = self.api.get(f"/api/v1/namespaces/{self.namespace}/pods", labelSelector=selector)["items"]
        return [item for item in items if all_states or "deletionTimestamp" not in item["metadata"]]

    def restart(self) -> None:
        """Restarts the pods as `kubectl rollout restart` does."""
        annotations = {"kubectl.kubernetes.io/restartedAt": str(time.time())}
        self.api.patch(self.deployment_path, {"spec": {"template": {"metadata": {"annotations": annotations}}}})
        self.wait_rolled_out()

    def scale(self, replicas: int) -> None:
        # Use Helm: if another client writes a field, the next upgrade by Helm has a conflict.
        self.upgrade({"replicaCount": replicas})
        if not replicas:
            wait_until(lambda: not self.pods(all_states=True), "the end of all pods", within=PATIENCE)

    def wait_rolled_out(self) -> None:
        """Waits until all pods have the newest template and are ready, and all others have ended or are ending."""
        wait_until(self._is_rolled_out, "the rollout", within=PATIENCE, last_seen=self.state)

    def _is_rolled_out(self) -> bool:
        deployment = self.api.get(self.deployment_path)
        wanted, status = deployment["spec"]["replicas"], deployment["status"]
        return bool(
            status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
            and status.get("replicas", 0) == wanted
            and status.get("updatedReplicas", 0) == wanted
            and status.get("availableReplicas", 0) == wanted
        )

    def state(self) -> str:
        """Returns the state of the pods and the end of their logs, for failure messages."""
        lines = []
        for pod in self.pods(all_states=True):
            name = pod["metadata"]["name"]
            states = [container.get("state") for container in pod["status"].get("containerStatuses", [])]
            lines += [f"{name}: {pod['status']['phase']} {states}", self.api.log(self.namespace, name)[-2000:]]
        return "\n".join(lines)
