import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import helm_python
import kubernetes_validate
import pytest

from tests.charts.matrix import MATRIX
from tests.charts.rendering import CHART, NAMESPACE, Object, Rendered, Values, is_hook

NEWEST = kubernetes_validate.latest_version()
# Kinds of cert-manager and the Prometheus operator. The schemas of Kubernetes do not include them.
FOREIGN = {"Certificate", "Issuer", "ServiceMonitor", "PodMonitor", "PrometheusRule"}
POLICIES = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "MutatingWebhookConfiguration", "Namespace", *POLICIES}

every_set = pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)


@every_set
@pytest.mark.parametrize("version", ["v1.20.2", f"v{NEWEST}"])
def test_helm_finds_nothing_to_complain_of(values: Values, version: str) -> None:
    report = helm_python.lint(CHART, values, strict=True, namespace=NAMESPACE, kube_version=version)

    assert report["messages"] == []


@every_set
def test_todays_kubernetes_knows_every_field(values: Values) -> None:
    for one in Rendered(values).objects:
        if one["kind"] not in FOREIGN:
            _validate(json.dumps(one, sort_keys=True))


@every_set
def test_no_two_objects_have_the_same_name(values: Values) -> None:
    seen = [_identity(one) for one in Rendered(values).objects]

    assert len(seen) == len(set(seen))


@every_set
def test_names_are_not_too_long(values: Values) -> None:
    for one in Rendered(values).objects:
        name = one["metadata"]["name"]
        # A pod's name is a host name, a Service's name is a DNS label, and a Deployment's name is part of both.
        limit = 253 if one["kind"] in {"ClusterRole", "ClusterRoleBinding", *POLICIES} else 63
        assert len(name) <= limit, one["kind"]
        assert name == name.strip("-")


@every_set
def test_labels_are_not_too_long(values: Values) -> None:
    for labels in _maps(Rendered(values).objects, "labels", "matchLabels"):
        assert all(len(value) <= 63 for value in labels.values()), labels


@every_set
def test_every_object_is_where_the_release_is(values: Values) -> None:
    namespace = values.get("namespaceOverride", NAMESPACE)

    for one in Rendered(values).objects:
        if one["kind"] in CLUSTER_WIDE:
            assert "namespace" not in one["metadata"]
        elif not is_hook(one) and one["kind"] not in FOREIGN and "more" not in one["metadata"]["name"]:
            assert one["metadata"].get("namespace", namespace) == namespace


@every_set
def test_common_labels_are_everywhere_and_ours_stay(values: Values) -> None:
    rendered = Rendered(values | {"extraObjects": [], "commonLabels": {"a": "b", "app.kubernetes.io/name": "theirs"}})

    for one in [*rendered.objects, rendered.pod]:
        labels = one["metadata"]["labels"]
        assert labels["a"] == "b"
        assert labels["app.kubernetes.io/name"] == values.get("nameOverride", "pod-identity-webhook")


@cache  # most objects are the same with most sets of values, and each check takes some milliseconds
def _validate(text: str) -> None:
    kubernetes_validate.validate(json.loads(text), NEWEST, strict=True)


def _identity(one: Object) -> tuple[str, str, str]:
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


def _maps(value: Any, *names: str) -> Iterator[dict[str, str]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        if key in names and isinstance(child, dict):
            yield child
        yield from _maps(child, *names)
