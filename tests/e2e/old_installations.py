"""Installations of the Go webhook: objects that resemble the real ones, and a stand-in that answers for them."""

import json
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import helm_python
import yaml

from tests.e2e.api import Object
from tests.e2e.cluster import Cluster
from tests.e2e.go_webhook import GoSettings, GoWebhook

_NAME: Final = "pod-identity-webhook"
_RBAC: Final = "rbac.authorization.k8s.io"


class OldManifests:
    """Plain manifests, as in the Go webhook's repository, or as the addon of kOps creates them."""

    def __init__(
        self,
        cluster: Cluster,
        directory: Path,
        namespace: str,
        settings: GoSettings,
        more: Sequence[Object] = (),
        *,
        failure_policy: str = "Ignore",
    ) -> None:
        self.go = GoWebhook(_NAME, namespace, directory, settings)
        self._cluster = cluster
        self._namespace = namespace
        items = [
            *_objects(_NAME, namespace, self.go.ca, settings, failure_policy),
            _certificate(namespace),
            *more,
        ]
        self._list = {"apiVersion": "v1", "kind": "List", "items": items}

    def install(self) -> None:
        """Applies the manifests."""
        answer = self._cluster.kubectl("apply", "-f", "-", stdin=self._list)
        assert answer.returncode == 0, answer.stderr
        self.go.serve(_address(self._cluster, self._namespace, _NAME))

    def close(self) -> None:
        self.go.close()
        self._cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=self._list)

    def left(self) -> str:
        """Returns the names of its objects that exist."""
        answer = self._cluster.kubectl("get", "--ignore-not-found", "--output=name", "-f", "-", stdin=self._list)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout


class OldChart:
    """A release of a chart with the name and the values of the other chart."""

    NAME: Final = "amazon-eks-pod-identity-webhook"
    NAMESPACE: Final = "irsa"

    def __init__(self, cluster: Cluster, directory: Path, settings: GoSettings, values: dict[str, Any]) -> None:
        self.go = GoWebhook(self.NAME, self.NAMESPACE, directory, settings)
        self._cluster = cluster
        self._values = values
        self._chart = directory / self.NAME
        (self._chart / "templates").mkdir(parents=True)
        metadata = {"apiVersion": "v2", "name": self.NAME, "version": "2.4.2", "appVersion": "v0.6.4"}
        (self._chart / "Chart.yaml").write_text(yaml.safe_dump(metadata))
        objects = _objects(self.NAME, self.NAMESPACE, self.go.ca, settings, "Ignore")
        (self._chart / "templates/all.yaml").write_text(yaml.safe_dump_all(objects))
        self._helm = helm_python.Config(kubeconfig_path=cluster.kubeconfig, namespace=self.NAMESPACE)

    def install(self) -> None:
        """Installs the release."""
        self._helm.install(self._chart, self.NAME, self._values, create_namespace=True)
        self.go.serve(_address(self._cluster, self.NAMESPACE, self.NAME))

    def close(self) -> None:
        self.go.close()
        self._helm.uninstall(self.NAME, ignore_not_found=True)
        self._helm.close()

    def left(self) -> str:
        """Returns the names of its releases that exist."""
        return "\n".join(release["name"] for release in self._helm.list(name_filter=f"^{self.NAME}$"))


def kops_extras(mappings: dict[str, Object]) -> list[Object]:
    """Returns what kOps' addon has in addition: role mappings, an issuer and its Secret."""
    metadata = {"name": _NAME, "namespace": "kube-system"}
    issuer = "eks-pod-identity-webhook.addons.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config": json.dumps(mappings)}},
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Issuer",
            "metadata": {**metadata, "name": issuer},
            "spec": {"ca": {"secretName": f"{issuer}-ca"}},
        },
        {"apiVersion": "v1", "kind": "Secret", "metadata": {**metadata, "name": f"{issuer}-ca"}},
    ]


def _address(cluster: Cluster, namespace: str, name: str) -> str:
    return str(cluster.admin.get(f"/api/v1/namespaces/{namespace}/services/{name}")["spec"]["clusterIP"])


def _certificate(namespace: str) -> Object:
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": _NAME, "namespace": namespace},
        "spec": {"secretName": f"{_NAME}-cert", "dnsNames": [f"{_NAME}.{namespace}.svc"]},
    }


def _objects(name: str, namespace: str, ca: bytes, settings: GoSettings, failure_policy: str) -> list[Object]:
    metadata = {"name": name, "namespace": namespace}
    rule = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "list", "watch"]}
    configured = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}
    made: list[Object] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}]
    for kind, where, rules in (("ClusterRole", {"name": name}, [rule]), ("Role", metadata, [configured])):
        reference = {"apiGroup": _RBAC, "kind": kind, "name": name}
        made += [
            {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": where, "rules": rules},
            {
                "apiVersion": f"{_RBAC}/v1",
                "kind": f"{kind}Binding",
                "metadata": where,
                "roleRef": reference,
                "subjects": [{"kind": "ServiceAccount", **metadata}],
            },
        ]
    return [
        *made,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": {"app": name}, "ports": [{"port": 443, "protocol": "TCP"}]},
        },
        _deployment(name, metadata, settings),
        _configuration(name, namespace, ca, failure_policy),
    ]


def _deployment(name: str, metadata: Object, settings: GoSettings) -> Object:
    command = ["/webhook", "--in-cluster=false", f"--token-audience={settings.audience}"]
    container = {"name": name, "image": "example.invalid/amazon-eks-pod-identity-webhook:v0.6.4", "command": command}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"serviceAccountName": name, "containers": [container]},
            },
        },
    }


def _configuration(name: str, namespace: str, ca: bytes, failure_policy: str) -> Object:
    entry = {
        "name": "pod-identity-webhook.amazonaws.com",
        "failurePolicy": failure_policy,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1beta1"],
        "clientConfig": {
            "service": {"name": name, "namespace": namespace, "path": "/mutate"},
            "caBundle": b64encode(ca).decode(),
        },
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [entry],
    }
