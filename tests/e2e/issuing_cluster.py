"""A control plane with an issuer of its own, and the webhook that Helm installed there."""

import itertools
from pathlib import Path
from typing import Final

from tests.e2e.api import ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.container_environment import container_environment
from tests.e2e.helm_release import HelmRelease
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts
from tests.e2e.own_command import run_as_admin
from tests.e2e.waiting import wait_until

HOST: Final = "oidc.example.test"
ISSUER: Final = f"https://{HOST}/clusters/one"
REQUIRED: Final = {"eks.amazonaws.com/require-pod-identity": "true"}


class IssuingCluster:
    """Runs from construction to `remove`. `rendered` is a folder with what `issuer render` wrote."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._numbers = itertools.count(1)
        self.cluster = Cluster(directory, issuer=ISSUER)
        self.release: HelmRelease | None = None
        try:
            self.cluster.start()
            self.release = HelmRelease(self.cluster, directory)
            self.release.install({})
            wait_until_injected(self.cluster, self.namespace("probe", "probe"), "probe", ROLE)
            self.rendered = directory / "rendered"
            run_as_admin(
                self.cluster, "issuer", "render", f"--issuer={ISSUER}", "--live", f"--output-dir={self.rendered}"
            )
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        if self.release is not None:
            self.release.close()
        self.cluster.remove()

    def namespace(self, purpose: str, account: str, **annotations: str) -> str:
        """Creates a namespace with a ServiceAccount that has the role; see `service_account` for `annotations`."""
        name = self.cluster.namespace(purpose)
        self.cluster.admin.create(service_accounts(name), service_account(account, ROLE, **annotations))
        return name

    def pod(self, namespace: str, account: str, *, labels: dict[str, str] | None = None) -> Object:
        """Creates a pod and returns it as the API server stored it. By default, it must not start without a role."""
        name = f"pod-{next(self._numbers)}"
        created = pod(name, account, labels=REQUIRED if labels is None else labels)
        return self.cluster.admin.create(pods(namespace), created)

    def container(self, created: Object) -> dict[str, str]:
        """Returns the environment of the pod's container, with a new token of the API server."""
        return container_environment(
            self.cluster.admin, created, self.directory / f"{created['metadata']['name']}-{next(self._numbers)}"
        )


def wait_until_injected(cluster: Cluster, namespace: str, account: str, role: str) -> None:
    """Waits until the API server calls the webhook: until a new pod of the ServiceAccount would get its role."""

    def is_patched() -> bool:
        body = pod("probe", account, labels=REQUIRED)
        try:
            return role_of(cluster.admin.create(pods(namespace), body, dryRun="All")) == role
        except ApiError as error:
            # Pods with the label are refused until the webhook answers.
            if error.code != 500:
                raise
            return False

    wait_until(is_patched, "the API server to call the webhook", within=60)
