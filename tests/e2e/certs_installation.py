"""A release of the chart with one kind of certificate, and the certs commands in its pod and outside."""

import json
import shlex
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from certs.issue import Names, Pair, issue_ca, issue_leaf, service_names
from tests.charts.matrix import CA_INJECTOR, CERT_MANAGER
from tests.charts.rendering import Rendered, Values, merged
from tests.commands.outcome import Outcome, run_process
from tests.docs.pages import yaml_objects
from tests.e2e.api import Object
from tests.e2e.cluster import Cluster
from tests.e2e.helm_release import NAME, HelmRelease
from tests.e2e.rbac import account_with

ONE_POD: Values = {"replicaCount": 1, "config": {"extraArgs": ["--ca-settle=1s"]}}
TLS = f"{NAME}-tls"
LONG_AGO = timedelta(days=91)


@dataclass(frozen=True)
class Kind:
    """One kind of certificate: the chart's values, the Secret with the certificate, and what the commands say.

    `{ns}` in the texts is the release's namespace.
    """

    name: str
    values: Callable[[Pair, Pair], Values]
    secret: str
    source: str
    renewed_by: str
    instead: str = ""
    bundle_by: str = "the webhook"
    is_made_by_us: bool = False
    annotations: tuple[tuple[str, str], ...] = ()


OF_CERT_MANAGER = (
    ("cert-manager.io/certificate-name", TLS),
    ("cert-manager.io/issuer-kind", "Issuer"),
    ("cert-manager.io/issuer-name", f"{NAME}-ca"),
)
RENEW = f"run cmctl renew --namespace {{ns}} {TLS}"
PUT = "put a new tls.crt, tls.key and ca.crt into the Secret {ns}/mine; the webhook loads them within two minutes"
UPGRADE = "run helm upgrade with new pki.cert, pki.key and pki.caBundle"
CERTIFICATE = f"Certificate {{ns}}/{TLS}, Issuer {NAME}-ca"


def _pem_values(ca: Pair, leaf: Pair) -> Values:
    pems = {"caBundle": ca.certificate, "cert": leaf.certificate, "key": leaf.private_key}
    return {"pki": {name: pem.decode() for name, pem in pems.items()}}


KINDS = {
    "self-managed": Kind(
        "self-managed",
        lambda _ca, _leaf: {},
        NAME,
        f"CA and leaf in the Secret {{ns}}/{NAME}",
        "the webhook",
        is_made_by_us=True,
    ),
    "cert-manager": Kind(
        "cert-manager",
        lambda _ca, _leaf: CERT_MANAGER,
        TLS,
        CERTIFICATE,
        "cert-manager",
        RENEW,
        annotations=OF_CERT_MANAGER,
    ),
    "cert-manager, and cainjector writes the caBundle": Kind(
        "cert-manager",
        lambda _ca, _leaf: CA_INJECTOR,
        TLS,
        CERTIFICATE,
        "cert-manager",
        RENEW,
        bundle_by=f"cert-manager's cainjector (from Certificate {{ns}}/{TLS})",
        annotations=OF_CERT_MANAGER,
    ),
    "a Secret of the user's": Kind(
        "existing-secret",
        lambda _ca, _leaf: {"pki": {"existingSecret": "mine"}},
        "mine",
        "Secret {ns}/mine",
        "you, in the Secret",
        PUT,
    ),
    "a Secret of the user's, and the CA in the values": Kind(
        "existing-secret",
        lambda ca, _leaf: {"pki": {"existingSecret": "mine", "caBundle": ca.certificate.decode()}},
        "mine",
        "Secret {ns}/mine",
        "you, in the Secret",
        PUT,
    ),
    "PEM values": Kind(
        "values",
        _pem_values,
        TLS,
        f"Secret {{ns}}/{TLS}, from the values of the chart",
        "you, with new values",
        UPGRADE,
    ),
}


class Installed:
    """A release with one kind of certificate, and the commands, run in its pod and by a person outside."""

    def __init__(self, cluster: Cluster, release: HelmRelease, kind: Kind) -> None:
        self.cluster = cluster
        self.release = release
        self.kind = kind
        self.ca = issue_ca(datetime.now(UTC) - LONG_AGO, common_name="CA of others")
        self.leaf = release.leaf(self.ca)

    def install(self) -> None:
        release, kind = self.release, self.kind
        is_given = not kind.is_made_by_us and kind.name != "values"
        if is_given:
            release.admin.create(release.secrets, self.secret(self.leaf))
        release.install(merged(ONE_POD, kind.values(self.ca, self.leaf)))
        if "cainjector" in kind.bundle_by:
            self.publish(self.ca)
        release.deployment.wait_rolled_out()
        self.kubeconfig = self._person()

    def secret(self, leaf: Pair) -> Object:
        """The Secret with the certificate, as its owner writes it."""
        data = {"ca.crt": self.ca.certificate, "tls.crt": leaf.certificate, "tls.key": leaf.private_key}
        return {
            "metadata": {"name": self.kind.secret, "annotations": dict(self.kind.annotations)},
            "type": "kubernetes.io/tls",
            "data": {name: b64encode(pem).decode() for name, pem in data.items()},
        }

    def publish(self, ca: Pair) -> None:
        """Writes the caBundle of every entry, as cainjector does, or somebody by mistake."""
        configuration = self.release.admin.get(self.release.configuration)
        for entry in configuration["webhooks"]:
            entry["clientConfig"]["caBundle"] = b64encode(ca.certificate).decode()
        self.release.admin.call("PUT", self.release.configuration, configuration)

    def in_pod(self, *words: str) -> Outcome:
        return self._execute("pod-identity-webhook", "certs", *words)

    def as_noted(self) -> Outcome:
        """Runs in the pod what the chart's notes tell an admin to run."""
        values = merged(ONE_POD, self.kind.values(self.ca, self.leaf))
        notes = Rendered(values, namespace=self.release.namespace).notes
        kubectl = f"kubectl --namespace {self.release.namespace} exec deploy/{NAME} -- "
        (line,) = [line.strip() for line in notes.splitlines() if "certs show" in line]
        assert line.startswith(kubectl)
        return self._execute(*shlex.split(line.removeprefix(kubectl)))

    def outside(self, *words: str) -> Outcome:
        return run_process(
            "certs",
            *words,
            f"--namespace={self.release.namespace}",
            environ={"KUBECONFIG": str(self.kubeconfig), "KUBERNETES_SERVICE_HOST": ""},
        )

    def shown(self, outcome: Outcome) -> dict[str, Any]:
        assert outcome.err == "", outcome
        document: dict[str, Any] = json.loads(outcome.out)
        assert outcome.code == (1 if document["findings"] else 0), outcome
        return document

    def findings(self, *words: str) -> list[str]:
        """What a person outside finds."""
        found: list[str] = self.shown(self.outside("show", "--output=json", *words))["findings"]
        return found

    def stop(self) -> None:
        path = f"/apis/apps/v1/namespaces/{self.release.namespace}/deployments/{NAME}"
        self.release.admin.patch(path, {"spec": {"replicas": 0}})
        self.release.deployment.wait_rolled_out()

    @property
    def cluster_ip(self) -> str:
        service = self.release.admin.get(f"/api/v1/namespaces/{self.release.namespace}/services/{NAME}")
        return str(service["spec"]["clusterIP"])

    def text(self, text: str) -> str:
        return text.replace("{ns}", self.release.namespace)

    def annotations(self) -> dict[str, Any]:
        """What `rotate` could write: the annotations of all Secrets."""
        secrets = [one["metadata"] for one in self.release.admin.get(self.release.secrets)["items"]]
        return {one["name"]: one.get("annotations") for one in secrets}

    def expired(self, ca: Pair) -> Pair:
        """A leaf that has expired; nothing else is wrong with it."""
        names = Names.parse(service_names(NAME, self.release.namespace))
        return issue_leaf(ca, names, datetime.now(UTC) - LONG_AGO)

    @property
    def certificate_path(self) -> str:
        return f"{self.release.secrets}/{self.kind.secret}"

    @property
    def place(self) -> str:
        """How the commands call the Secret with the certificate."""
        return f"Secret {self.release.namespace}/{self.kind.secret}"

    def _execute(self, *words: str) -> Outcome:
        (pod,) = self.release.deployment.pods
        done = pod.execute(*words, hosts={f"{NAME}.{self.release.namespace}.svc": self.cluster_ip})
        return Outcome(done.returncode, done.stdout, done.stderr)

    def _person(self) -> Path:
        """Gives a person the rights that the documentation shows, and no others."""
        roles = {one["kind"]: one for one in yaml_objects("certificates.md", "The certs command")}
        rules = json.loads(json.dumps(roles["Role"]["rules"]).replace(f'"{TLS}"', f'"{self.kind.secret}"'))
        person = account_with(
            self.cluster,
            self.release.namespace,
            "person",
            cluster_rules=roles["ClusterRole"]["rules"],
            namespace_rules=rules,
        )
        return self.cluster.write_kubeconfig(f"person-{self.release.namespace}", person.token)
