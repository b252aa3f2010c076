"""The faults because of which the API server refuses a pod, by the entries of docs/troubleshooting.md.

Each context begins with the fault, and ends when it is mended.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from certs.issue import Names, Pair, issue_ca, issue_leaf, service_names
from certs.pem import canonical
from tests.docs.messages import is_quoted
from tests.e2e.api import ApiError, Object
from tests.e2e.certs_installation import KINDS, Installed
from tests.e2e.cluster import Cluster
from tests.e2e.foreign_kinds import define_foreign_kinds
from tests.e2e.helm_release import NAME, HelmRelease
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts
from tests.e2e.terminal import Terminal
from tests.e2e.waiting import wait_until

_REQUIRED: Final = {"eks.amazonaws.com/require-pod-identity": "true"}
_EXEC: Final = f"kubectl -n {NAME} exec deploy/{NAME} -- "
_DEPLOYMENT: Final = f"/apis/apps/v1/namespaces/{NAME}/deployments/{NAME}"
_SERVICES: Final = f"/api/v1/namespaces/{NAME}/services"


class Site:
    """A cluster with the release that the documentation installs, and a person who creates pods that require a role.

    The certificate is one whose caBundle the webhook does not write, so that a wrong one stays.
    """

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.cluster = cluster
        define_foreign_kinds(cluster)
        cluster.admin.create("/api/v1/namespaces", {"metadata": {"name": NAME}})
        self.release = HelmRelease(cluster, directory, namespace=NAME)
        self.installed = Installed(cluster, self.release, KINDS["cert-manager, and cainjector writes the caBundle"])
        self.namespace = cluster.namespace("shop")
        self.account = "reports"
        cluster.admin.create(service_accounts(self.namespace), service_account("reports", ROLE))
        cluster.admin.create(service_accounts(self.namespace), service_account("without-a-role"))
        self._terminal = Terminal(cluster, directory / "terminal", {}, {})

    def start(self) -> None:
        self.installed.install()
        self.wait_until_injected()

    def close(self) -> None:
        self.release.close()

    def run(self, command: str) -> str:
        """Returns what a command of the documentation prints."""
        if command.startswith(_EXEC):
            words = command.removeprefix(f"{_EXEC}{NAME} certs ").split()
            done = self.installed.in_pod(*words)
            return done.out + done.err
        manifest = {"apiVersion": "v1", "kind": "Pod", **self._pod()}
        (self._terminal.folder / "pod.yaml").write_text(json.dumps(manifest))
        return self._terminal.run(command)

    def wait_until_refused(self, quote: str) -> None:
        """Waits until a pod is refused with the quoted message: connections that are open may outlive a fault."""
        said = [""]

        def is_said() -> bool:
            said[0] = self.refusal()
            return is_quoted(quote, said[0])

        wait_until(is_said, f"the message {quote}", within=30, last_seen=lambda: said[0])

    def wait_until_injected(self) -> None:
        said = [""]

        def is_injected() -> bool:
            said[0] = self.refusal()
            return said[0] == ""

        wait_until(is_injected, "a pod to be given its role", within=60, last_seen=lambda: said[0])

    def refusal(self) -> str:
        """Creates a pod as a dry run; returns the API server's message, or "" if the pod was given its role."""
        try:
            created = self.create()
        except ApiError as error:
            return error.message
        return "" if role_of(created) == ROLE else "no role"

    def create(self, *, labels: dict[str, str] | None = None) -> Object:
        """Creates a pod as a dry run; by default, it requires a role. Raises ApiError if it is refused."""
        return self.cluster.admin.create(pods(self.namespace), self._pod(labels), dryRun="All")

    def scale(self, replicas: int) -> None:
        self.cluster.admin.patch(_DEPLOYMENT, {"spec": {"replicas": replicas}})
        if replicas == 0:
            self.release.deployment.wait_ended()
        else:
            self.release.deployment.wait_reachable()

    def serve(self, leaf: Pair) -> None:
        """Replaces the certificate; returns when the webhook serves it, and no connection is older."""
        self.cluster.admin.call("PUT", self.installed.certificate_path, self.installed.secret(leaf))
        (running,) = self.release.deployment.pods
        wanted = canonical(leaf.certificate)
        wait_until(lambda: running.served() == wanted, "the leaf", within=90, last_seen=running.process.last_lines)
        self.release.deployment.balancer.end_idle_connections()

    def _pod(self, labels: dict[str, str] | None = None) -> Object:
        made = pod("app", self.account, labels=_REQUIRED if labels is None else labels)
        made["metadata"]["namespace"] = self.namespace
        return made


Fault = Callable[[Site], AbstractContextManager[None]]


@contextmanager
def _another_ca_in_the_bundle(site: Site) -> Iterator[None]:
    site.installed.publish(issue_ca(datetime.now(UTC), common_name="the CA before"))
    yield
    site.installed.publish(site.installed.ca)


@contextmanager
def _a_certificate_for_another_name(site: Site) -> Iterator[None]:
    names = Names.parse(service_names("webhook", "identity"))
    site.serve(issue_leaf(site.installed.ca, names, datetime.now(UTC)))
    yield
    site.serve(site.installed.leaf)


@contextmanager
def _an_expired_certificate(site: Site) -> Iterator[None]:
    site.serve(site.installed.expired(site.installed.ca))
    yield
    site.serve(site.installed.leaf)


@contextmanager
def _a_replica_that_hangs(site: Site) -> Iterator[None]:
    (running,) = site.release.deployment.pods
    running.process.pause()
    yield
    running.process.resume()


@contextmanager
def _no_replica(site: Site) -> Iterator[None]:
    site.scale(0)
    yield
    site.scale(1)


@contextmanager
def _no_replica_and_endpoints_are_looked_up(site: Site) -> Iterator[None]:
    with _no_replica(site):
        site.cluster.restart_api_server("--enable-aggregator-routing=true")
        yield
        site.cluster.restart_api_server()


@contextmanager
def _no_service(site: Site) -> Iterator[None]:
    service = site.cluster.admin.get(f"{_SERVICES}/{NAME}")
    site.cluster.admin.delete(f"{_SERVICES}/{NAME}")
    yield
    kept = {name: service["metadata"][name] for name in ("name", "labels", "annotations")}
    site.cluster.admin.create(_SERVICES, {"metadata": kept, "spec": service["spec"]})


@contextmanager
def _something_that_closes_connections(site: Site) -> Iterator[None]:
    balancer = site.release.deployment.balancer
    balancer.closes_connections = True
    balancer.end_idle_connections()
    yield
    balancer.closes_connections = False


@contextmanager
def _a_pod_without_a_role(site: Site) -> Iterator[None]:
    site.account = "without-a-role"
    yield
    site.account = "reports"


FAULTS: Final[dict[str, Fault]] = {
    "x509: certificate signed by unknown authority": _another_ca_in_the_bundle,
    "x509: certificate is valid for …, not …": _a_certificate_for_another_name,
    "x509: certificate has expired or is not yet valid": _an_expired_certificate,
    "context deadline exceeded": _a_replica_that_hangs,
    "EOF": _something_that_closes_connections,
    "denied the request": _a_pod_without_a_role,
    "failed calling webhook": _no_replica,
    "connection refused": _no_replica,
    "no endpoints available for service": _no_replica_and_endpoints_are_looked_up,
    'service "pod-identity-webhook" not found': _no_service,
}
