"""Runs the webhook as its chart does: replicas with self-managed certificates, behind a ClusterIP."""

import re
import ssl
import sys
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.bundle import Service, published
from certs.state import State, read_state
from tests.e2e.api import ApiError, Object
from tests.e2e.balancer import Backend, Balancer
from tests.e2e.cluster import WEBHOOK_LABEL, Cluster
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts
from tests.e2e.process import Process
from tests.e2e.rbac import CLUSTER_RULES, NAMESPACE_RULES, Account, account_with, certificate_rules
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import CONFIGURATIONS, SERVICE

SECRET: Final = "pod-identity-webhook"
HELM_LABELS: Final = {
    "helm.sh/chart": "pod-identity-webhook-0.1.0",
    "app.kubernetes.io/name": "pod-identity-webhook",
    "app.kubernetes.io/instance": "irsa",
    "app.kubernetes.io/version": "0.1.0",
    "app.kubernetes.io/component": "webhook",
    "app.kubernetes.io/managed-by": "Helm",
}
PREFIX: Final = "pod_identity_webhook_"
ENTRY: Final = "pod-identity-webhook.amazonaws.com"
REQUIRED_ENTRY: Final = f"required.{ENTRY}"

_ROOT = Path(__file__).parents[2]
_REQUIRED_LABEL = "eks.amazonaws.com/require-pod-identity"
_PORTS = re.compile(r"serves: https port (\d+), metrics port (\d+)")
_SAMPLE = re.compile(r"^([a-z_:]+(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)


class Replica:
    """One `serve` process, on free ports of 127.0.0.1."""

    def __init__(self, command: Sequence[str], log: Path, environ: dict[str, str]) -> None:
        self.process = Process(command, log, environ)
        self._log_before = 0
        self._backend: Backend | None = None

    def launch(self) -> None:
        """Starts the process without waiting."""
        self._backend = None
        self._log_before = len(self.process.log_text()) if self.process.log.exists() else 0
        self.process.start(lambda: True, within=5)

    def restart(self) -> None:
        """Stops the process as Kubernetes does, starts it again, and waits until it is ready."""
        assert self.process.stop() == 0, self.process.last_lines()
        self.launch()
        self.wait_until_ready()

    def wait_until_ready(self, *, within: float = 60.0) -> None:
        wait_until(self.is_ready, "a replica to be ready", within=within, last_seen=self.process.last_lines)

    @property
    def log(self) -> str:
        """Returns the log since the last start."""
        return self.process.log_text()[self._log_before :]

    def backend(self) -> Backend | None:
        """Returns its ports once it listens."""
        if not self.process.is_running:
            return None
        if self._backend is None and (found := _PORTS.search(self.log)):
            self._backend = Backend(int(found[1]), int(found[2]))
        return self._backend

    def is_ready(self) -> bool:
        return self.probe()[0] == 200

    def probe(self) -> tuple[int, str]:
        """Returns the answer of /readyz; (0, "") if there is none."""
        backend = self.backend()
        if backend is None:
            return 0, ""
        try:
            answer = httpx.get(f"http://127.0.0.1:{backend.probe_port}/readyz", timeout=5, trust_env=False)
        except httpx.TransportError:
            return 0, ""
        return answer.status_code, answer.text

    def metrics(self) -> dict[str, float]:
        """Returns all our samples, by name without our prefix, and labels."""
        backend = self.backend()
        assert backend is not None, self.process.last_lines()
        page = httpx.get(f"http://127.0.0.1:{backend.probe_port}/metrics", timeout=5, trust_env=False).text
        return {name.removeprefix(PREFIX): float(value) for name, value in _SAMPLE.findall(page)}

    def served(self) -> bytes | None:
        """Returns the certificate that a new connection gets, as PEM; None if there is none."""
        backend = self.backend()
        if backend is None:
            return None
        try:
            pem = ssl.get_server_certificate(("127.0.0.1", backend.port), timeout=5)
        except (ssl.SSLError, OSError):
            return None
        return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.PEM)


class Replicas:
    """A release of the chart: RBAC, Service, empty Secret, webhook configuration without a caBundle, and replicas.

    The constructor starts no replica. `secret`: whether to create the Secret. `api_url`: the proxy through which the
    replicas reach the API server.
    """

    def __init__(
        self,
        cluster: Cluster,
        directory: Path,
        count: int,
        *flags: str,
        secret: bool = True,
        account: Account | None = None,
        api_url: str | None = None,
    ) -> None:
        self.cluster = cluster
        self.admin = cluster.admin
        self.namespace = account.namespace if account is not None else cluster.namespace("replicas")
        self.name = f"{SERVICE}-{self.namespace}"
        self.service = Service(SERVICE, self.namespace)
        self.secrets = f"/api/v1/namespaces/{self.namespace}/secrets"
        self.secret = f"{self.secrets}/{SECRET}"
        self.configuration = f"{CONFIGURATIONS}/{self.name}"
        self.account = account or chart_account(cluster, self.namespace)
        self.pod_namespace = cluster.namespace("pods", webhook=self.namespace)
        self.admin.create(service_accounts(self.pod_namespace), service_account("app", ROLE))
        if secret:
            self.create_secret()
        self.admin.create(CONFIGURATIONS, self.rendered_configuration())
        self.directory = directory
        self.replicas = [self._replica(number, flags, api_url) for number in range(count)]
        self.balancer = Balancer(self._create_service(), self._backends)

    def launch(self) -> None:
        """Starts all replicas at once, without waiting."""
        for replica in self.replicas:
            replica.launch()

    def start(self, *, within: float = 90.0) -> None:
        """Starts all replicas and waits until they are ready, agree, and a pod gets its role."""
        self.launch()
        for replica in self.replicas:
            replica.wait_until_ready(within=within)
        self.wait_until_right(within=within)
        self.wait_until_injected(within=within)

    def remove(self) -> None:
        """Removes the webhook configuration and stops all processes."""
        if self.cluster.api_server.is_running:
            self.admin.delete(self.configuration)
        self.balancer.close()
        for replica in self.replicas:
            replica.process.kill()

    def create_secret(self, **members: Any) -> None:
        """Creates the Secret as the chart renders it, plus `members`."""
        self.admin.create(self.secrets, {"metadata": self._metadata(SECRET), "type": "Opaque", **members})

    def rendered_configuration(self) -> Object:
        """Returns the webhook configuration as the chart renders it and Helm applies it: without a caBundle."""
        required = {"key": _REQUIRED_LABEL, "values": ["true"]}
        entries = [
            self.entry(ENTRY, {**required, "operator": "NotIn"}),
            self.entry(REQUIRED_ENTRY, {**required, "operator": "In"}),
        ]
        return {"metadata": self._metadata(self.name), "webhooks": entries}

    def entry(self, name: str, *expressions: Object, policy: Literal["Fail", "Ignore"] = "Fail") -> Object:
        """Returns an entry that calls us for pods of `pod_namespace`."""
        return {
            "name": name,
            "clientConfig": {
                "service": {"name": SERVICE, "namespace": self.namespace, "path": "/mutate", "port": 443},
            },
            "rules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]},
            ],
            "namespaceSelector": {"matchLabels": {WEBHOOK_LABEL: self.namespace}},
            "objectSelector": {"matchExpressions": list(expressions)},
            "admissionReviewVersions": ["v1", "v1beta1"],
            "matchPolicy": "Equivalent",
            "reinvocationPolicy": "IfNeeded",
            "sideEffects": "None",
            "failurePolicy": policy,
            "timeoutSeconds": 5,
        }

    def create_pod(self, *, required: bool = False) -> str | None:
        """Creates a pod as a dry run and returns the role that it got. Raises ApiError if it is refused."""
        labels = {_REQUIRED_LABEL: "true"} if required else {}
        body = pod("app", "app", labels=labels)
        return role_of(self.admin.create(pods(self.pod_namespace), body, dryRun="All"))

    def is_injected(self) -> bool:
        """Whether pods get their role now, through both entries."""
        try:
            return self.create_pod() == self.create_pod(required=True) == ROLE
        except ApiError as error:
            if error.code == 500:
                return False
            raise

    def wait_until_injected(self, *, within: float = 30.0) -> None:
        wait_until(self.is_injected, "a pod to be given its role", within=within, last_seen=self.last_lines)

    def wait_until_right(self, *, within: float = 30.0) -> State:
        """Waits until the Secret, the caBundle and all served leaves fit together; returns the Secret's state."""
        return wait_until(
            self.agreed, "Secret, caBundle and replicas to agree", within=within, last_seen=self.last_lines
        )

    def agreed(self) -> State | None:
        """Returns the Secret's state if it is undamaged and published and all replicas serve its leaf; else None."""
        state = self.state()
        if state is None or state.ca is None or state.leaf is None:
            return None
        if set(self.published()) != set(state.authorities()):
            return None
        served = {replica.served() for replica in self.replicas if replica.process.is_running}
        return state if served == {state.leaf.certificate} else None

    def state(self) -> State | None:
        """Returns the Secret's state; None if it does not exist or is damaged."""
        try:
            data = self.data()
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        state, problems = read_state(data, {})
        return None if problems else state

    def data(self) -> dict[str, bytes]:
        """Returns the Secret's data. Raises ApiError."""
        return {key: b64decode(value or "") for key, value in (self.admin.get(self.secret).get("data") or {}).items()}

    def patch_secret(self, data: dict[str, bytes | None] | None) -> None:
        """Sets keys and removes those that are None. If `data` itself is None, removes all keys."""
        encoded: Object | None = None
        if data is not None:
            encoded = {key: None if value is None else text(value) for key, value in data.items()}
        self.admin.patch(self.secret, {"data": encoded})

    def annotate_secret(self, **annotations: str) -> None:
        self.admin.patch(self.secret, {"metadata": {"annotations": annotations}})

    def published(self) -> tuple[bytes, ...]:
        """Returns the certificates that all our entries trust."""
        return published(self.admin.get(self.configuration), self.service)

    def set_bundle(self, bundle: str | None, *, only: str = "") -> None:
        """Sets the caBundle (base64) of all our entries, or of the entry `only`, as any admin may."""
        configuration = self.admin.get(self.configuration)
        for entry in configuration["webhooks"]:
            if only in {"", entry["name"]} and entry["name"] in {ENTRY, REQUIRED_ENTRY}:
                entry["clientConfig"]["caBundle"] = bundle
        self.admin.call("PUT", self.configuration, configuration)

    def log_text(self) -> str:
        """Returns the logs of all replicas."""
        return "".join(replica.process.log_text() for replica in self.replicas)

    def log_lengths(self) -> list[int]:
        """Returns the length of each replica's log, for `logged_since`."""
        return [len(replica.process.log_text()) for replica in self.replicas]

    def logged_since(self, lengths: list[int]) -> str:
        """Returns what all replicas have logged since `log_lengths`."""
        return "".join(
            replica.process.log_text()[length:] for replica, length in zip(self.replicas, lengths, strict=True)
        )

    def sum_of(self, metric: str) -> float:
        """Returns the sum of a metric over the running replicas."""
        return sum(replica.metrics()[metric] for replica in self.replicas if replica.process.is_running)

    def last_lines(self) -> str:
        return "\n".join(replica.process.last_lines() for replica in self.replicas)

    def _backends(self) -> list[Backend]:
        found = (replica.backend() for replica in self.replicas)
        return [backend for backend in found if backend is not None]

    def _replica(self, number: int, flags: Sequence[str], api_url: str | None) -> Replica:
        kubeconfig = self.cluster.write_kubeconfig(
            f"{self.namespace}-{self.account.name}", self.account.token, server=api_url
        )
        scratch = self.directory / f"{self.namespace}-{number}-tmp"
        scratch.mkdir()
        command = [
            *(sys.executable, "-m", "webhook", "serve", "--in-cluster=true"),
            f"--kubeconfig={kubeconfig}",
            f"--namespace={self.namespace}",
            f"--service-name={SERVICE}",
            f"--tls-secret={SECRET}",
            f"--webhook-configuration={self.name}",
            *("--bind-address=127.0.0.1", "--port=0", "--metrics-port=0", "--drain-period=1s"),
            *flags,
        ]
        environ = {"PYTHONPATH": str(_ROOT), "TMPDIR": str(scratch), "HOME": str(scratch)}
        return Replica(command, self.directory / f"{self.namespace}-{number}.log", environ)

    def _create_service(self) -> str:
        service: Object = {"metadata": {"name": SERVICE}, "spec": {"ports": [{"port": 443, "targetPort": 443}]}}
        created = self.admin.create(f"/api/v1/namespaces/{self.namespace}/services", service)
        return str(created["spec"]["clusterIP"])

    def _metadata(self, name: str) -> Object:
        annotations = {"meta.helm.sh/release-name": "irsa", "meta.helm.sh/release-namespace": self.namespace}
        return {"name": name, "labels": {**HELM_LABELS, "team": "platform"}, "annotations": annotations}


def chart_account(cluster: Cluster, namespace: str) -> Account:
    """Creates a ServiceAccount with exactly the chart's rules."""
    cluster_rules, namespace_rules = certificate_rules(SECRET, f"{SERVICE}-{namespace}")
    return account_with(
        cluster,
        namespace,
        cluster_rules=[*CLUSTER_RULES, *cluster_rules],
        namespace_rules=[*NAMESPACE_RULES, *namespace_rules],
    )


def text(value: bytes) -> str:
    """Encodes bytes as base64, as in Secrets and caBundles."""
    return b64encode(value).decode()
