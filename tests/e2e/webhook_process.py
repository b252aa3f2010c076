"""Runs the webhook as a process beside a cluster, and registers it there."""

import json
import re
import ssl
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from certs.files import write_pair
from certs.issue import Names, issue_ca, issue_leaf, service_names
from tests.e2e.api import ApiError, Object
from tests.e2e.clients import Clients
from tests.e2e.cluster import WEBHOOK_LABEL, Cluster
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts
from tests.e2e.process import Process
from tests.e2e.rbac import Account
from tests.e2e.waiting import wait_until

SERVICE = "pod-identity-webhook"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_ROOT = Path(__file__).parents[2]
_IN_POD = Path(__file__).with_name("in_pod.py")
_METRICS_PORT = 9999
_SAMPLE = re.compile(r"^([a-z_:]+(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """The webhook's answer: HTTP status, seconds taken, the role that its patch sets, and its message."""

    code: int
    took: float
    role: str | None
    message: str


class Webhook:
    """`pod-identity-webhook serve` in a namespace, on the ClusterIP of its Service, with an account's token.

    The constructor creates the Service; `start` runs the process; `register` makes the API server call it. With
    `in_pod`, a folder of credentials as kubelet creates it, the webhook runs as in a pod, without a kubeconfig.
    """

    def __init__(
        self,
        cluster: Cluster,
        directory: Path,
        account: Account,
        *flags: str,
        api_url: str | None = None,
        in_pod: Path | None = None,
    ) -> None:
        self.cluster = cluster
        self.account = account
        self.namespace = account.namespace
        self.address = self._create_service()
        self._configuration: str | None = None
        now = datetime.now(UTC)
        ca = issue_ca(now, common_name="CA of the webhook")
        leaf = issue_leaf(ca, Names.parse(service_names(SERVICE, self.namespace)), now)
        self.ca = ca.certificate.decode()
        files = write_pair(directory / f"{self.namespace}-certificates", ca.certificate, leaf)
        if in_pod is not None:
            server = urlsplit(api_url or cluster.url)
            program = [str(_IN_POD), str(in_pod), "serve"]
            environ = {"KUBERNETES_SERVICE_HOST": str(server.hostname), "KUBERNETES_SERVICE_PORT": str(server.port)}
        else:
            name = f"{account.namespace}-{account.name}"
            kubeconfig = cluster.write_kubeconfig(name, account.token, server=api_url)
            program, environ = ["-m", "webhook", "serve", f"--kubeconfig={kubeconfig}"], {}
        self.process = Process(
            [
                sys.executable,
                *program,
                f"--namespace={self.namespace}",
                f"--service-name={SERVICE}",
                f"--bind-address={self.address}",
                "--port=443",
                f"--metrics-port={_METRICS_PORT}",
                f"--tls-cert={files.certificate}",
                f"--tls-key={files.private_key}",
                "--in-cluster=false",
                *flags,
            ],
            directory / f"{self.namespace}.log",
            {"PYTHONPATH": str(_ROOT), **environ},
        )
        self._monitoring = httpx.Client(base_url=f"http://{self.address}:{_METRICS_PORT}", timeout=5, trust_env=False)
        context = ssl.create_default_context(cadata=self.ca)
        self._reviews = Clients(lambda: httpx.Client(verify=context, timeout=20, trust_env=False))

    def start(self, *, until: Callable[[], bool] | None = None, within: float = 30.0) -> None:
        """Starts the process and waits until it is ready, or until `until` is true. Raises StartFailed."""
        self.process.start(until or self.is_ready, within=within)

    def remove(self) -> None:
        """Removes the registration and stops the process."""
        if self._configuration is not None and self.cluster.api_server.is_running:
            self.cluster.api_server.resume()
            self.cluster.admin.delete(f"{CONFIGURATIONS}/{self._configuration}")
        self._monitoring.close()
        self._reviews.close()
        self.process.kill()

    def is_ready(self) -> bool:
        return self.probe("/readyz") == 200

    def is_serving(self) -> bool:
        """Whether its log says that it listens; this is earlier than `is_ready`."""
        return re.search(r"serves: https port \d+, metrics port \d+", self.process.log_text()) is not None

    def probe(self, path: str) -> int:
        """Returns the HTTP status of a path on the metrics port; 0 if there is no answer."""
        try:
            return self._monitoring.get(path).status_code
        except httpx.TransportError:
            return 0

    def metrics(self) -> dict[str, float]:
        """Returns all samples, by name and labels as exposed."""
        page = self._monitoring.get("/metrics").raise_for_status().text
        return {name: float(value) for name, value in _SAMPLE.findall(page)}

    def register(
        self, *, failure_policy: Literal["Fail", "Ignore"] = "Fail", fails_closed_for: str | None = None
    ) -> None:
        """Makes the API server call the webhook for pods in its `pod_namespace`s; returns when it does.

        Pods with the label `fails_closed_for` get a separate entry with `failurePolicy: Fail`, as in the chart.
        """
        self._configuration = f"{SERVICE}-{self.namespace}"
        entry = {
            "name": "pod-identity-webhook.amazonaws.com",
            "clientConfig": {
                "service": {"name": SERVICE, "namespace": self.namespace, "path": "/mutate"},
                "caBundle": b64encode(self.ca.encode()).decode(),
            },
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {WEBHOOK_LABEL: self.namespace}},
            "admissionReviewVersions": ["v1", "v1beta1"],
            "reinvocationPolicy": "IfNeeded",
            "sideEffects": "None",
            "failurePolicy": failure_policy,
            "timeoutSeconds": 5,
        }
        probed = self.pod_namespace("routing")
        self.cluster.admin.create(service_accounts(probed), service_account("probe", ROLE))
        entries = [entry]
        if fails_closed_for is not None:
            selectors = [
                {"matchExpressions": [{"key": fails_closed_for, "operator": operator}]}
                for operator in ("DoesNotExist", "Exists")
            ]
            required = {"name": "required.pod-identity-webhook.amazonaws.com", "failurePolicy": "Fail"}
            entries = [{**entry, "objectSelector": selectors[0]}, {**entry, **required, "objectSelector": selectors[1]}]
        configuration = {"metadata": {"name": self._configuration}, "webhooks": entries}
        self.cluster.admin.create(CONFIGURATIONS, configuration)
        wait_until(
            lambda: self._is_called_for(probed),
            f"the API server to call the webhook of {self.namespace}",
            within=20,
            last_seen=self.process.last_lines,
        )

    def pod_namespace(self, purpose: str) -> str:
        """Creates a namespace; the API server calls this webhook for its pods."""
        return self.cluster.namespace(purpose, webhook=self.namespace)

    def review(self, namespace: str, pod: Object) -> Answer:
        """Sends the webhook a review as the API server does; works while the API server is down."""
        request = {
            "uid": str(uuid4()),
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": namespace,
            "operation": "CREATE",
            "object": {"apiVersion": "v1", "kind": "Pod", **pod},
        }
        started = time.monotonic()
        answer = self._reviews.mine.post(
            f"https://{self.address}/mutate",
            json={"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request},
            extensions={"sni_hostname": f"{SERVICE}.{self.namespace}.svc"},
        )
        took = time.monotonic() - started
        if answer.status_code != 200:
            return Answer(answer.status_code, took, None, answer.text)
        response = answer.json()["response"]
        assert response["uid"] == request["uid"]
        operations = json.loads(b64decode(response.get("patch", "W10=")))
        variables = [found for operation in operations for found in _variables(operation["value"])]
        role = next((found["value"] for found in variables if found["name"] == "AWS_ROLE_ARN"), None)
        return Answer(200, took, role, str(response.get("status", {}).get("message", "")))

    def _is_called_for(self, namespace: str) -> bool:
        """Whether the API server knows the configuration and the Service. Until then, it refuses pods under Fail."""
        try:
            probe = self.cluster.admin.create(pods(namespace), pod("probe", "probe"), dryRun="All")
        except ApiError as error:
            if error.code == 500:
                return False
            raise
        return role_of(probe) == ROLE

    def _create_service(self) -> str:
        service: Object = {"metadata": {"name": SERVICE}, "spec": {"ports": [{"port": 443, "targetPort": 443}]}}
        created = self.cluster.admin.create(f"/api/v1/namespaces/{self.namespace}/services", service)
        return str(created["spec"]["clusterIP"])


def _variables(value: Any) -> list[dict[str, str]]:
    """Returns the environment variables in the value of a JSON Patch operation: a list, or a single one."""
    entries: list[dict[str, str]] = value if isinstance(value, list) else [value]
    return [entry for entry in entries if "value" in entry]
