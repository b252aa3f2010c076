from typing import Any

import pytest

from tests.charts.rendering import Object, Rendered, Values

REQUIRED = {"eks.amazonaws.com/require-pod-identity": "true"}
SKIPPED = {"eks.amazonaws.com/skip-pod-identity-webhook": ""}
OF_ALL = {"default": "pod-identity-webhook", "kube-system": "kube-system"}


def test_the_entries_say_what_the_api_server_needs() -> None:
    entries = Rendered().entries

    assert {name: entry["failurePolicy"] for name, entry in entries.items()} == {
        "pod-identity-webhook": "Ignore",
        "required": "Fail",
        "kube-system": "Ignore",
    }
    for entry in entries.values():
        assert entry["name"].endswith("pod-identity-webhook.amazonaws.com")
        assert entry["clientConfig"] == {
            "service": {"name": "pod-identity-webhook", "namespace": "eks", "path": "/mutate", "port": 443}
        }
        assert entry["rules"] == [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "*"}
        ]
        assert {key: entry[key] for key in ("matchPolicy", "reinvocationPolicy", "sideEffects", "timeoutSeconds")} == {
            "matchPolicy": "Equivalent",
            "reinvocationPolicy": "IfNeeded",
            "sideEffects": "None",
            "timeoutSeconds": 5,
        }
        assert entry["admissionReviewVersions"] == ["v1", "v1beta1"]


@pytest.mark.parametrize(
    ("namespace", "labels", "expected"),
    [
        ("default", {}, ["pod-identity-webhook"]),
        ("default", {"eks.amazonaws.com/require-pod-identity": "false"}, ["pod-identity-webhook"]),
        ("default", REQUIRED, ["required"]),
        ("kube-system", {}, ["kube-system"]),
        ("kube-system", REQUIRED, ["kube-system"]),
        ("default", SKIPPED, []),
        ("default", REQUIRED | SKIPPED, []),
        ("kube-system", SKIPPED, []),
    ],
)
def test_each_pod_belongs_to_one_entry_at_most(namespace: str, labels: dict[str, str], expected: list[str]) -> None:
    assert _called(Rendered(), namespace, labels) == expected


def test_kube_system_stays_safe_where_everything_else_may_fail() -> None:
    rendered = Rendered({"mutatingWebhook": {"failurePolicy": "Fail"}})

    assert _called(rendered, "kube-system", REQUIRED) == ["kube-system"]
    assert rendered.entries["kube-system"]["failurePolicy"] == "Ignore"
    assert rendered.entries["pod-identity-webhook"]["failurePolicy"] == "Fail"


@pytest.mark.parametrize("labels", [{}, REQUIRED])
def test_a_namespace_without_a_label_of_its_name_belongs_to_an_entry_too(labels: dict[str, str]) -> None:
    called = [name for name, entry in Rendered().entries.items() if _matches(entry, {}, labels)]

    assert called == ["required" if labels else "pod-identity-webhook"]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"podLabels": {"pod-identity-webhook/exempt": "false"}},
        {"commonLabels": {"pod-identity-webhook/exempt": "no"}},
        {"nameOverride": "other", "podLabels": REQUIRED},
        {"mutatingWebhook": {"objectSelector": {"matchLabels": {"pod-identity-webhook/exempt": "true"}}}},
    ],
)
@pytest.mark.parametrize("namespace", ["eks", "kube-system"])
def test_our_own_pods_belong_to_none_whatever_the_values(values: Values, namespace: str) -> None:
    rendered = Rendered(values, namespace=namespace)
    pods = [rendered.pod, *(one for one in rendered.hooks() if one["kind"] == "Pod")]

    for pod in pods:
        assert _called(rendered, namespace, pod["metadata"]["labels"]) == []
    assert len(pods) == 2


def test_users_selectors_narrow_and_never_widen() -> None:
    rendered = Rendered(
        {
            "mutatingWebhook": {
                "namespaceSelector": {
                    "matchLabels": {"aws": "yes"},
                    "matchExpressions": [
                        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["default", "kube-system"]}
                    ],
                },
                "objectSelector": {"matchLabels": {"team": "shop"}} | {"matchExpressions": []},
            }
        }
    )
    wanted = {"team": "shop"}

    assert _called(rendered, "default", wanted, aws="yes") == ["pod-identity-webhook"]
    assert _called(rendered, "default", wanted | REQUIRED, aws="yes") == ["required"]
    assert _called(rendered, "kube-system", wanted | REQUIRED, aws="yes") == ["kube-system"]
    assert _called(rendered, "default", wanted) == []
    assert _called(rendered, "shop", wanted, aws="yes") == []
    assert _called(rendered, "default", {}, aws="yes") == []
    assert _called(rendered, "default", wanted | SKIPPED, aws="yes") == []


def test_labels_follow_the_annotation_prefix() -> None:
    rendered = Rendered({"config": {"annotationPrefix": "aws.example.com"}})

    assert _called(rendered, "default", {"aws.example.com/require-pod-identity": "true"}) == ["required"]
    assert _called(rendered, "default", {"aws.example.com/skip-pod-identity-webhook": "x"}) == []
    assert _called(rendered, "default", REQUIRED | SKIPPED) == ["pod-identity-webhook"]


@pytest.mark.parametrize(("version", "known"), [("1.27.9", False), ("1.28.0", True), ("v1.30.1-eks-1", True)])
def test_match_conditions_are_there_where_kubernetes_knows_them(version: str, known: bool) -> None:
    conditions = [{"name": "some", "expression": "true"}]
    rendered = Rendered({"kubeVersionOverride": version, "mutatingWebhook": {"matchConditions": conditions}})

    for entry in rendered.entries.values():
        assert entry.get("matchConditions") == (conditions if known else None)


def _called(rendered: Rendered, namespace: str, labels: dict[str, str], **namespace_labels: str) -> list[str]:
    """The entries that the API server would call, as it reads selectors."""
    of_namespace = {"kubernetes.io/metadata.name": namespace, **namespace_labels}
    return [name for name, entry in rendered.entries.items() if _matches(entry, of_namespace, labels)]


def _matches(entry: Object, namespace: dict[str, str], labels: dict[str, str]) -> bool:
    return _selects(entry["namespaceSelector"], namespace) and _selects(entry["objectSelector"], labels)


def _selects(selector: Object, labels: dict[str, str]) -> bool:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements."""
    equal = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return equal and all(_holds(expression, labels) for expression in selector["matchExpressions"])


def _holds(expression: dict[str, Any], labels: dict[str, str]) -> bool:
    key = expression["key"]
    match expression["operator"]:
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case "In":
            return labels.get(key) in expression["values"]
        case "NotIn":
            return labels.get(key) not in expression["values"]
    raise AssertionError(expression)
