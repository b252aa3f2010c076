import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from tests.charts.rendering import NAMESPACE, Rendered

VALUES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "popular-values.yaml").read_text(encoding="utf-8"))
FOREIGN = {"Certificate", "Issuer", "ServiceMonitor"}


def test_a_values_file_of_the_popular_chart_makes_what_it_says() -> None:
    rendered = Rendered(VALUES)

    for one in rendered.objects:
        if one["kind"] not in FOREIGN:
            kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    assert rendered.container["image"] == "registry.example.com/eks/amazon-eks-pod-identity-webhook:v0.6.0"
    assert {"--aws-default-region=us-east-1", "--sts-regional-endpoint=true", "--port=9443"} <= set(
        rendered.container["args"]
    )
    assert rendered.container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "https", "scheme": "HTTPS"}
    assert rendered.one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 0
    assert rendered.one("Deployment")["spec"]["replicas"] == 1
    assert rendered.one("NetworkPolicy")["metadata"]["name"] == "identity"
    assert {one["metadata"]["labels"]["company"] for one in rendered.objects} == {"us"}


def test_what_would_not_run_as_meant_is_warned_of() -> None:
    notes = Rendered(VALUES).notes

    assert "This is the Go webhook's image: remove image.*" in notes
    assert "Readiness then no longer waits for a trusted certificate" in notes
    assert "No pod of the webhook can ever be evicted" in notes


def test_its_service_account_has_the_rights() -> None:
    rendered = Rendered(VALUES)

    assert rendered.one("ServiceAccount")["metadata"]["name"] == rendered.pod["spec"]["serviceAccountName"] == "theirs"
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        assert rendered.one(kind)["subjects"] == [
            {"kind": "ServiceAccount", "name": "theirs", "namespace": NAMESPACE},
        ]


def test_its_service_monitor_is_in_the_namespace_that_it_names() -> None:
    monitor = Rendered(VALUES).one("ServiceMonitor")

    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": [NAMESPACE]}
    assert monitor["spec"]["endpoints"] == [
        {
            "port": "metrics",
            "path": "/metrics",
            "honorLabels": True,
            "interval": "30s",
            "scrapeTimeout": "10s",
            "followRedirects": True,
        }
    ]


def test_its_role_mappings_are_those_that_are_watched() -> None:
    rendered = Rendered(VALUES)
    config_map = rendered.one("ConfigMap", "pod-identity-webhook")

    assert json.loads(config_map["data"]["config"])["shop/reports"]["RoleARN"].endswith("role/reports")
    assert {"--watch-config-map=true", "--config-map-name=pod-identity-webhook"} <= set(rendered.container["args"])
    rules = {rule["resources"][0]: rule for rule in rendered.one("Role")["rules"] if "resourceNames" in rule}
    assert rules["configmaps"] == {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": ["pod-identity-webhook"],
        "verbs": ["list", "watch"],
    }
