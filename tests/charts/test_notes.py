import pytest

from tests.charts.matrix import CA_INJECTOR, OWN_SECRET, OWN_SECRET_AND_CA
from tests.charts.rendering import Rendered, Values, merged

OWN_IMAGE: Values = {"image": {"registry": "registry.example.com"}}
ALERTS: Values = {"metrics": {"prometheusRule": {"enabled": True}}}


def test_notes_say_how_to_look() -> None:
    notes = Rendered({"config": {"annotationPrefix": "example.com"}}).notes

    assert "kubectl --namespace eks rollout status deployment/pod-identity-webhook" in notes
    assert "kubectl --namespace eks exec deploy/pod-identity-webhook -- pod-identity-webhook certs show\n" in notes
    assert "helm test pod-identity-webhook --namespace eks" in notes
    assert "kubectl annotate serviceaccount NAME example.com/role-arn=" in notes
    assert "example.com/require-pod-identity" in notes


@pytest.mark.parametrize(
    ("values", "line", "expected"),
    [
        ({"kubeVersionOverride": "1.20.2"}, "kubectl label namespace kube-system", True),
        ({"kubeVersionOverride": "1.21.0"}, "kubectl label namespace kube-system", False),
        (OWN_SECRET, "until the Secret mine has tls.crt, tls.key and ca.crt", True),
        (OWN_SECRET_AND_CA, "until the Secret mine", False),
        (CA_INJECTOR, "set pki.certManager.injectCA to", True),
        ({"mutatingWebhook": {"failurePolicy": "Fail"}}, "no pod starts outside kube-system", True),
        ({}, "no pod starts outside kube-system", False),
        ({"rbac": {"create": False}}, "the table in docs/security.md lists what it needs", True),
        (OWN_IMAGE, "WARNING", False),
        ({}, "WARNING: image.registry is empty.", True),
        ({}, "nodes that do not already have pod-identity-webhook:0.1.0\nwill not find it", True),
        ({"image": {"repository": "us/identity"}}, "WARNING: image.registry is empty.", True),
        ({"image": {"repository": "registry.example.com/identity"}}, "image.registry", False),
        ({"image": {"repository": "localhost/identity"}}, "image.registry", False),
        ({"image": {"registry": "localhost:5000"}}, "WARNING", False),
        ({"image": {"registry": "us"}}, "Nodes will look for docker.io/us/pod-identity-webhook:0.1.0:", True),
        ({"image": {"registry": "us"}}, "image.registry is empty", False),
        ({"image": {"registry": "docker.io"}}, "There is no image docker.io/pod-identity-webhook:0.1.0", True),
        ({"image": {"registry": "public.ecr.aws"}}, "WARNING: image.registry is public.ecr.aws, as for the Go", True),
        ({"image": {"registry": "docker.io", "repository": "us/identity"}}, "WARNING", False),
        ({"image": {"tag": "v0.6.0"}}, "WARNING: image.registry is empty.", True),
        (
            {"image": {"repository": "a/amazon-eks-pod-identity-webhook"}},
            "Then set image.registry to the registry",
            True,
        ),
        (ALERTS, "the alert PodIdentityWebhookDown fires all the time", True),
        (merged(ALERTS, {"metrics": {"serviceMonitor": {"enabled": True}}}), "PodIdentityWebhookDown", False),
        (merged(ALERTS, {"metrics": {"podMonitor": {"enabled": True}}}), "PodIdentityWebhookDown", False),
        ({}, "PodIdentityWebhookDown", False),
        ({"image": {"repository": "eks/amazon-eks-pod-identity-webhook"}}, "the Go webhook's image", True),
        ({"readinessProbe": {"httpGet": {"path": "/healthz"}}}, "no longer waits for a trusted certificate", True),
        ({"readinessProbe": {"periodSeconds": 5}}, "no longer waits for a trusted certificate", False),
        ({"readinessProbe": None}, "no longer waits for a trusted certificate", True),
        ({"tests": {"enabled": False}}, "helm test", False),
    ],
)
def test_notes_say_what_matters_for_these_values(values: Values, line: str, expected: bool) -> None:
    assert (line in Rendered(values).notes) is expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, False),
        ({"replicaCount": 1}, False),
        ({"podDisruptionBudget": {"maxUnavailable": 0}}, True),
        ({"podDisruptionBudget": {"maxUnavailable": "0%"}}, True),
        ({"podDisruptionBudget": {"maxUnavailable": "1%"}}, False),
        ({"podDisruptionBudget": {"minAvailable": 1}}, False),
        ({"podDisruptionBudget": {"minAvailable": 0, "maxUnavailable": 0}}, False),
        ({"podDisruptionBudget": {"minAvailable": 2}}, True),
        ({"podDisruptionBudget": {"minAvailable": "50%"}}, False),
        ({"podDisruptionBudget": {"minAvailable": "51%"}}, True),
        ({"podDisruptionBudget": {"minAvailable": 2}, "autoscaling": {"enabled": True}}, False),
        ({"podDisruptionBudget": {"minAvailable": 5}, "autoscaling": {"enabled": True}}, True),
        ({"podDisruptionBudget": {"enabled": False, "maxUnavailable": 0}}, False),
        ({"podDisruptionBudget": {"maxUnavailable": 0}, "replicaCount": 0}, False),
    ],
)
def test_notes_say_where_no_node_could_be_drained(values: Values, expected: bool) -> None:
    assert ("No pod of the webhook can ever be evicted" in Rendered(values).notes) is expected
