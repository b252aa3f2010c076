from itertools import product
from typing import Any

import pytest

from tests.charts.rendering import ENTRY, Object, Rendered, Values

REQUIRE = "eks.amazonaws.com/require-pod-identity"
REQUIRED = {REQUIRE: "true"}
SKIPPED = {"eks.amazonaws.com/skip-pod-identity-webhook": ""}
EXEMPT = {"pod-identity-webhook/exempt": "true"}
TRUE = ["1", "t", "T", "TRUE", "true", "True"]
FALSE = ["0", "f", "F", "FALSE", "false", "False"]
NO_BOOL = ["", "yes", "no", "tRUE", "2"]
POLICIES = {
    ENTRY: ("Ignore", "/mutate"),
    "not-required": ("Ignore", "/mutate"),
    "required": ("Fail", "/mutate"),
    "required-by-namespace": ("Fail", "/mutate/require"),
    "not-required.required-by-namespace": ("Fail", "/mutate/require"),
    "kube-system": ("Ignore", "/mutate"),
    "not-required.kube-system": ("Ignore", "/mutate"),
    "required.kube-system": ("Ignore", "/mutate"),
}


def test_the_entries_say_what_the_api_server_needs() -> None:
    entries = Rendered().entries

    assert {
        name: (entry["failurePolicy"], entry["clientConfig"]["service"]["path"]) for name, entry in entries.items()
    } == POLICIES
    for entry in entries.values():
        service = entry["clientConfig"]["service"]
        assert entry["clientConfig"] == {
            "service": {"name": "pod-identity-webhook", "namespace": "eks", "path": service["path"], "port": 443}
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
        ("default", {}, ENTRY),
        ("default", {REQUIRE: "false"}, "not-required"),
        ("default", REQUIRED, "required"),
        ("default", {REQUIRE: "True"}, "required"),
        ("default", {REQUIRE: "yes"}, "required"),
        ("default", SKIPPED, None),
        ("default", {REQUIRE: "false"} | SKIPPED, None),
        ("default", REQUIRED | SKIPPED, "required"),
        ("default", REQUIRED | EXEMPT, "required"),
        ("default", EXEMPT, None),
        ("kube-system", {}, "kube-system"),
        ("kube-system", {REQUIRE: "0"}, "not-required.kube-system"),
        ("kube-system", REQUIRED | SKIPPED, "required.kube-system"),
        ("kube-system", SKIPPED, None),
    ],
)
def test_a_pod_belongs_to_the_entry_that_its_labels_ask_for(
    namespace: str, labels: dict[str, str], expected: str | None
) -> None:
    assert _called(Rendered(), namespace, labels) == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, "required-by-namespace"),
        (SKIPPED, "required-by-namespace"),
        ({REQUIRE: "false"}, "not-required.required-by-namespace"),
        ({REQUIRE: "false"} | SKIPPED, "not-required.required-by-namespace"),
        (REQUIRED, "required"),
        (REQUIRED | SKIPPED | EXEMPT, "required"),
        (EXEMPT, None),
    ],
)
def test_a_namespace_requires_for_its_pods(labels: dict[str, str], expected: str | None) -> None:
    for value in TRUE:
        of_namespace = {"kubernetes.io/metadata.name": "shop", REQUIRE: value}
        called = [name for name, entry in Rendered().entries.items() if _matches(entry, of_namespace, labels)]
        assert called == ([expected] if expected else [])


def test_no_pod_is_sent_twice_and_none_is_missed() -> None:
    entries = Rendered({"mutatingWebhook": {"failurePolicy": "Fail"}}).entries
    values = [None, *TRUE, *FALSE, *NO_BOOL]
    for name, of_namespace, of_pod in product((None, "shop", "kube-system"), values, values):
        namespace = ({"kubernetes.io/metadata.name": name} if name else {}) | _require(of_namespace)
        for more in ({}, SKIPPED, EXEMPT, SKIPPED | EXEMPT):
            labels = _require(of_pod) | more
            called = [entry for entry in entries.values() if _matches(entry, namespace, labels)]
            is_promised = of_pod not in {None, *FALSE}
            by_namespace = of_namespace in TRUE and name != "kube-system"
            is_kept_away = more.keys() & EXEMPT.keys() or (more.keys() & SKIPPED.keys() and not by_namespace)
            assert len(called) == (is_promised or not is_kept_away), (namespace, labels)
            for entry in called:
                assert entry["failurePolicy"] == ("Ignore" if name == "kube-system" else "Fail"), (namespace, labels)
                by_path = entry["clientConfig"]["service"]["path"] == "/mutate/require"
                assert by_path == (by_namespace and not is_promised), (namespace, labels)


def test_kube_system_stays_safe_where_everything_else_may_fail() -> None:
    rendered = Rendered({"mutatingWebhook": {"failurePolicy": "Fail"}})

    assert {name: entry["failurePolicy"] for name, entry in rendered.entries.items()} == {
        name: "Ignore" if "kube-system" in name else "Fail" for name in POLICIES
    }


@pytest.mark.parametrize("labels", [{}, REQUIRED])
def test_a_namespace_without_a_label_of_its_name_belongs_to_an_entry_too(labels: dict[str, str]) -> None:
    called = [name for name, entry in Rendered().entries.items() if _matches(entry, {}, labels)]

    assert called == ["required" if labels else ENTRY]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"podLabels": {"pod-identity-webhook/exempt": "false"}},
        {"commonLabels": {"pod-identity-webhook/exempt": "no"}},
        {"nameOverride": "other", "podLabels": REQUIRED},
        {"commonLabels": REQUIRED, "config": {"annotationPrefix": "eks.amazonaws.com"}},
        {"mutatingWebhook": {"objectSelector": {"matchLabels": {"pod-identity-webhook/exempt": "true"}}}},
    ],
)
@pytest.mark.parametrize("namespace", ["eks", "kube-system"])
def test_our_own_pods_belong_to_none_whatever_the_values(values: Values, namespace: str) -> None:
    rendered = Rendered(values, namespace=namespace)
    pods = [rendered.pod, *(one for one in rendered.hooks() if one["kind"] == "Pod")]

    for pod in pods:
        assert _called(rendered, namespace, pod["metadata"]["labels"]) == []
        assert _called(rendered, namespace, pod["metadata"]["labels"], **REQUIRED) == []
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

    assert _called(rendered, "default", wanted, aws="yes") == [ENTRY]
    assert _called(rendered, "default", wanted | REQUIRED, aws="yes") == ["required"]
    assert _called(rendered, "kube-system", wanted | REQUIRED, aws="yes") == ["required.kube-system"]
    assert _called(rendered, "default", wanted) == []
    assert _called(rendered, "shop", wanted, aws="yes") == []
    assert _called(rendered, "default", {}, aws="yes") == []
    assert _called(rendered, "default", wanted | SKIPPED, aws="yes") == []


def test_labels_follow_the_annotation_prefix() -> None:
    rendered = Rendered({"config": {"annotationPrefix": "aws.example.com"}})

    assert _called(rendered, "default", {"aws.example.com/require-pod-identity": "true"}) == ["required"]
    assert _called(rendered, "default", {"aws.example.com/skip-pod-identity-webhook": "x"}) == []
    assert _called(rendered, "default", REQUIRED | SKIPPED) == [ENTRY]
    required = {"aws.example.com/require-pod-identity": "true"}
    assert _called(rendered, "default", {}, **required) == ["required-by-namespace"]
    assert _called(rendered, "default", {}, **REQUIRED) == [ENTRY]


@pytest.mark.parametrize(("version", "known"), [("1.27.9", False), ("1.28.0", True), ("v1.30.1-eks-1", True)])
def test_match_conditions_are_there_where_kubernetes_knows_them(version: str, known: bool) -> None:
    conditions = [{"name": "some", "expression": "true"}]
    rendered = Rendered({"kubeVersionOverride": version, "mutatingWebhook": {"matchConditions": conditions}})

    for entry in rendered.entries.values():
        assert entry.get("matchConditions") == (conditions if known else None)


def _require(value: str | None) -> dict[str, str]:
    return {} if value is None else {REQUIRE: value}


def _called(rendered: Rendered, namespace: str, labels: dict[str, str], **namespace_labels: str) -> list[str]:
    """The entries that the API server would call, according to their selectors."""
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
