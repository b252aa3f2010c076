"""Which entries of a MutatingWebhookConfiguration match a pod, and which requirement keeps the others from it."""

from typing import Any

import pytest

from webhook.admission.asking import Asking, Call, Request, asking

Object = dict[str, Any]
RULE: Object = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "*"}


def entry(name: str = "one", **members: Any) -> Object:
    return {"name": name, "clientConfig": {"service": {"path": "/mutate"}}, "rules": [RULE], **members}


def pod(labels: dict[str, str] | None = None, namespace: dict[str, str] | None = None) -> Request:
    return Request(namespace="shop", namespace_labels=namespace or {}, labels=labels or {})


def expression(operator: str, *values: str) -> Object:
    return {"matchExpressions": [{"key": "tier", "operator": operator, "values": list(values)}]}


MATCHES: dict[str, tuple[Object | None, dict[str, str]]] = {
    "a selector of null selects everything": (None, {}),
    "an empty selector selects everything": ({}, {"tier": "web"}),
    "empty lists select everything": ({"matchLabels": None, "matchExpressions": None}, {}),
    "a label of that value": ({"matchLabels": {"tier": "web"}}, {"tier": "web", "more": "x"}),
    "In one of the values": (expression("In", "web", "db"), {"tier": "db"}),
    "NotIn with another value": (expression("NotIn", "web"), {"tier": "db"}),
    "NotIn without the label": (expression("NotIn", "web"), {}),
    "Exists with an empty value": (expression("Exists"), {"tier": ""}),
    "DoesNotExist without the label": (expression("DoesNotExist"), {"other": "x"}),
}
MISSES: dict[str, tuple[Object, dict[str, str], str]] = {
    "a label of another value": (
        {"matchLabels": {"tier": "web"}},
        {"tier": "db"},
        "it wants the label tier=web, but the label is 'db'",
    ),
    "a label that is missing": (
        {"matchLabels": {"tier": "web"}},
        {},
        "it wants the label tier=web, but there is no such label",
    ),
    "In without the label": (expression("In", "web"), {}, "it wants tier In (web), but there is no such label"),
    "In with another value": (
        expression("In", "a", "b"),
        {"tier": "c"},
        "it wants tier In (a, b), but the label is 'c'",
    ),
    "NotIn with that value": (
        expression("NotIn", "web"),
        {"tier": "web"},
        "it wants tier NotIn (web), but the label is 'web'",
    ),
    "Exists without the label": (expression("Exists"), {}, "it wants tier Exists, but there is no such label"),
    "DoesNotExist with an empty value": (
        expression("DoesNotExist"),
        {"tier": ""},
        "it wants no label tier, but there is one: ''",
    ),
    "an operator that the API does not have": (
        expression("Gt", "1"),
        {"tier": "2"},
        "it wants tier Gt (1), but the label is '2'",
    ),
}


@pytest.mark.parametrize(("selector", "labels"), MATCHES.values(), ids=MATCHES)
def test_a_selector_that_matches_lets_the_entry_be_called(selector: Object | None, labels: dict[str, str]) -> None:
    called = Asking((Call("one", "/mutate"),))

    assert asking([entry(objectSelector=selector)], pod(labels)) == called
    assert asking([entry(namespaceSelector=selector)], pod(namespace=labels)) == called


@pytest.mark.parametrize(("selector", "labels", "why"), MISSES.values(), ids=MISSES)
def test_a_selector_that_does_not_match_says_why(selector: Object, labels: dict[str, str], why: str) -> None:
    of_the_pod = asking([entry(objectSelector=selector)], pod(labels))
    of_the_namespace = asking([entry(namespaceSelector=selector)], pod(namespace=labels))

    assert of_the_pod == Asking(why_not=f"objectSelector of the pod: {why}, in entry one")
    assert of_the_namespace == Asking(why_not=f"namespaceSelector of namespace shop: {why}, in entry one")


RULES: dict[str, tuple[Object, bool]] = {
    "asterisks": ({"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}, True),
    "all resources and subresources": ({"resources": ["*/*"]}, True),
    "pods and their subresources": ({"resources": ["pods/*"]}, True),
    "one of several": ({"resources": ["services", "pods"], "operations": ["UPDATE", "CREATE"]}, True),
    "of namespaces": ({"scope": "Namespaced"}, True),
    "of the cluster": ({"scope": "Cluster"}, False),
    "only a subresource": ({"resources": ["pods/status"]}, False),
    "only subresources": ({"resources": ["*/status"]}, False),
    "another operation": ({"operations": ["UPDATE"]}, False),
    "another group": ({"apiGroups": ["apps"]}, False),
    "another version": ({"apiVersions": ["v1beta1"]}, False),
    "nothing": ({"resources": None}, False),
}


@pytest.mark.parametrize(("members", "is_covered"), RULES.values(), ids=RULES)
def test_a_rule_covers_the_creation_of_pods_or_not(members: Object, is_covered: bool) -> None:
    asked = asking([entry(rules=[{**RULE, **members}])], pod())

    assert bool(asked.calls) == is_covered
    assert asked.why_not == ("" if is_covered else "no rule covers CREATE of pods, in entry one")


def test_a_rule_without_a_scope_covers_pods() -> None:
    rule = {key: value for key, value in RULE.items() if key != "scope"}

    assert asking([entry(rules=[{**RULE, "operations": ["UPDATE"]}, rule])], pod()).calls


def test_a_subresource_is_not_the_pod() -> None:
    request = Request(namespace="shop", namespace_labels={}, labels={}, operation="UPDATE", subresource="status")
    rule = {**RULE, "operations": ["*"]}

    assert asking([entry(rules=[rule])], request).why_not == "no rule covers UPDATE of pods/status, in entry one"
    assert asking([entry(rules=[{**rule, "resources": ["pods/status"]}])], request).calls


def test_each_entry_that_matches_is_called_in_its_order_at_its_path() -> None:
    entries = [
        entry("one", clientConfig={"service": {"path": "/mutate/require"}}),
        entry("two", objectSelector=expression("Exists")),
        entry("three", clientConfig={"url": "https://127.0.0.1:23443/mutate"}),
        entry("four", clientConfig={"service": {}}),
        entry("five", clientConfig={"url": "https://webhook.example.com"}),
    ]

    calls = [Call("one", "/mutate/require"), Call("three", "/mutate"), Call("four", "/"), Call("five", "/")]
    assert asking(entries, pod()) == Asking(tuple(calls))


def test_the_reason_is_of_the_entry_that_comes_closest() -> None:
    entries = [
        entry("far", namespaceSelector=expression("Exists"), objectSelector=expression("Exists")),
        entry("close", objectSelector=expression("Exists")),
        entry("as close", namespaceSelector=expression("Exists")),
    ]

    why = "objectSelector of the pod: it wants tier Exists, but there is no such label, in entry close"
    assert asking(entries, pod()) == Asking(why_not=why)


def test_conditions_are_named_because_they_are_not_evaluated() -> None:
    conditions = [{"name": "not-mine", "expression": "false"}, {"name": "mine", "expression": "true"}]

    assert asking([entry(matchConditions=conditions)], pod()).calls == (Call("one", "/mutate", ("not-mine", "mine")),)


def test_known_match_conditions_do_not_count_as_doubts_and_a_false_one_prevents_the_call() -> None:
    conditions = [{"name": name, "expression": name} for name in ("true", "false", "unknown")]
    entries = [entry(matchConditions=[condition]) for condition in conditions]
    values = {"true": True, "false": False, "unknown": None}

    assert asking(entries, pod(), values.__getitem__).calls == (
        Call("one", "/mutate"),
        Call("one", "/mutate", ("unknown",)),
    )
    assert asking([entry(matchConditions=conditions)], pod(), values.__getitem__) == Asking(
        why_not="matchCondition false is false, in entry one"
    )


def test_while_the_labels_of_the_namespace_are_unknown_its_selector_matches() -> None:
    request = Request(namespace="shop", namespace_labels=None, labels={})

    assert asking([entry(namespaceSelector=expression("Exists"))], request).calls


def test_a_configuration_without_entries_calls_nothing() -> None:
    assert asking([], pod()) == Asking(why_not="the configuration has no entry")
