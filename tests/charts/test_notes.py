import pytest

from tests.charts.matrix import CA_INJECTOR, OWN_SECRET, OWN_SECRET_AND_CA
from tests.charts.rendering import Rendered, Values


def test_notes_say_how_to_look() -> None:
    notes = Rendered({"config": {"annotationPrefix": "example.com"}}).notes

    assert "kubectl --namespace eks rollout status deployment/pod-identity-webhook" in notes
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
        ({"rbac": {"create": False}}, "has no rights but those", True),
        ({"tests": {"enabled": False}}, "helm test", False),
    ],
)
def test_notes_say_what_matters_for_these_values(values: Values, line: str, expected: bool) -> None:
    assert (line in Rendered(values).notes) is expected
