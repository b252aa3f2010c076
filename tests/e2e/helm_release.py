"""A release of the chart by the real Helm; its Deployment runs on this machine."""

import time
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import helm_python

from certs.bundle import Service, published
from certs.issue import Names, Pair, issue_leaf, service_names
from certs.pem import is_issued_by
from tests.charts.rendering import CHART, Values
from tests.e2e.api import ApiError
from tests.e2e.cluster import Cluster
from tests.e2e.deployment import Deployment
from tests.e2e.webhook_process import CONFIGURATIONS

NAME: Final = "pod-identity-webhook"


class HelmRelease:
    """One release in its own namespace, not installed yet. `name` is the name of its objects.

    The namespace is a new one, unless the caller gives one that exists.
    """

    def __init__(self, cluster: Cluster, directory: Path, *, name: str = NAME, namespace: str = "") -> None:
        self.cluster = cluster
        self.admin = cluster.admin
        self.name = name
        self.namespace = namespace or cluster.namespace("release")
        self.service = Service(name, self.namespace)
        self.configuration = f"{CONFIGURATIONS}/{name}"
        self.secrets = f"/api/v1/namespaces/{self.namespace}/secrets"
        self.secret = f"{self.secrets}/{name}"
        self.deployment = Deployment(cluster, directory, self.namespace, name)
        self._helm = helm_python.Config(kubeconfig_path=cluster.kubeconfig, namespace=self.namespace)

    def install(self, values: Values) -> float:
        """Installs the release and waits until the Service has a ready pod; returns the seconds that it took."""
        began = time.monotonic()
        self._helm.install(CHART, NAME, values)
        self.deployment.wait_reachable()
        return time.monotonic() - began

    def upgrade(self, values: Values) -> None:
        """Upgrades the release, waits for the rollout, and checks that Helm left the webhook's writes untouched."""
        before = self.written()
        # Without reset_values, Helm would keep the values of the previous revision.
        self._helm.upgrade(CHART, NAME, values, reset_values=True)
        self._check_rolled_out(before)

    def roll_back(self, revision: int) -> None:
        """Rolls back with the same checks as `upgrade`."""
        before = self.written()
        self._helm.rollback(NAME, version=revision)
        self._check_rolled_out(before)

    def uninstall(self) -> None:
        """Uninstalls the release and waits until the last pod has ended."""
        self._helm.uninstall(NAME)
        self.deployment.wait_ended()

    def close(self) -> None:
        """Removes whatever exists by now, without waiting for pods to end."""
        try:
            self._helm.uninstall(NAME, ignore_not_found=True)
        finally:
            self._helm.close()
            self.deployment.close()

    def written(self) -> tuple[frozenset[bytes], dict[str, bytes]]:
        """Returns what the webhook writes: the CAs that all entries trust, and its own CA and leaf in the Secret."""
        data = self.data()
        own = {key: value for key, value in data.items() if key in {"ca.crt", "ca.key", "tls.crt", "tls.key"}}
        return frozenset(published(self.admin.get(self.configuration), self.service)), own

    def data(self) -> dict[str, bytes]:
        """Returns the Secret's data."""
        return {key: b64decode(value) for key, value in (self.admin.get(self.secret).get("data") or {}).items()}

    def is_there(self, path: str) -> bool:
        try:
            self.admin.get(path)
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return True

    def leaf(self, ca: Pair) -> Pair:
        """Issues a leaf for the Service."""
        return issue_leaf(ca, Names.parse(service_names(self.name, self.namespace)), datetime.now(UTC))

    def assert_serves(self, authority: bytes) -> None:
        """Checks that this CA is published and that all pods serve leaves of it."""
        assert authority in self.written()[0]
        for pod in self.deployment.pods:
            assert is_issued_by(pod.served(), authority), pod.process.last_lines()

    def _check_rolled_out(self, before: tuple[frozenset[bytes], dict[str, bytes]]) -> None:
        self._check_untouched(before)
        self.deployment.wait_rolled_out()
        self._check_untouched(before)

    def _check_untouched(self, before: tuple[frozenset[bytes], dict[str, bytes]]) -> None:
        authorities, own = self.written()
        assert before[0] <= authorities, "a CA was taken from the caBundle"
        assert own == before[1], "the Secret was reset"
