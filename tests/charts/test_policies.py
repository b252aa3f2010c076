"""When the chart renders ValidatingAdmissionPolicies, and for whom. tests/e2e runs the policies on real API servers."""

from typing import Any

import helm_python
import pytest

from tests.charts.rendering import Object, Rendered, Values, merged

NEW: Values = {"kubeVersionOverride": "1.30.0"}
CA_BUNDLE = "pod-identity-webhook-eks-ca-bundle"
SERVICE_ACCOUNTS = "pod-identity-webhook-eks-service-accounts"


def _policies(values: Values) -> dict[str, Object]:
    return {one["metadata"]["name"]: one["spec"] for one in Rendered(values).all("ValidatingAdmissionPolicy")}


def _actions(values: Values) -> dict[str, Any]:
    bindings = Rendered(values).all("ValidatingAdmissionPolicyBinding")
    return {one["spec"]["policyName"]: one["spec"]["validationActions"] for one in bindings}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {}),
        ({"kubeVersionOverride": "1.20.2"}, {}),
        ({"kubeVersionOverride": "1.29.9"}, {}),
        (NEW, {CA_BUNDLE: ["Deny"], SERVICE_ACCOUNTS: ["Warn"]}),
        ({"kubeVersionOverride": "v1.30.1-eks-1"}, {CA_BUNDLE: ["Deny"], SERVICE_ACCOUNTS: ["Warn"]}),
        (merged(NEW, {"rbac": {"caBundlePolicy": False}}), {SERVICE_ACCOUNTS: ["Warn"]}),
        (merged(NEW, {"serviceAccountPolicy": {"enabled": False}}), {CA_BUNDLE: ["Deny"]}),
        (merged(NEW, {"serviceAccountPolicy": {"action": "Deny"}}), {CA_BUNDLE: ["Deny"], SERVICE_ACCOUNTS: ["Deny"]}),
    ],
)
def test_each_policy_is_bound_where_the_version_knows_it(values: Values, expected: dict[str, list[str]]) -> None:
    assert _actions(values) == expected
    assert _policies(values).keys() == expected.keys()


@pytest.mark.parametrize(
    ("values", "user"),
    [
        ({}, "eks:pod-identity-webhook"),
        ({"serviceAccount": {"name": "mine"}, "namespaceOverride": "theirs"}, "theirs:mine"),
        ({"serviceAccount": {"create": False}}, "eks:default"),
    ],
)
def test_the_ca_bundle_policy_is_about_the_account_of_the_pods(values: Values, user: str) -> None:
    (policy,) = _policies(merged(NEW, {"serviceAccountPolicy": {"enabled": False}}, values)).values()

    assert policy["matchConditions"] == [
        {"name": "is-the-webhook", "expression": f'request.userInfo.username == "system:serviceaccount:{user}"'}
    ]
    (rule,) = policy["matchConstraints"]["resourceRules"]
    assert rule["resourceNames"] == ["pod-identity-webhook"]


@pytest.mark.parametrize(
    ("values", "composes"),
    [
        ({}, False),
        ({"config": {"extraArgs": ["--compose-role-arn"]}}, True),
        ({"config": {"extraArgs": ["-compose_role_arn=T"]}}, True),
        ({"config": {"extraArgs": ["--compose-role-arn=false"]}}, False),
        ({"config": {"extraArgs": ["--compose-role-arn", "--aws-partition=aws", "--compose-role-arn=0"]}}, False),
        ({"config": {"extraArgs": ["--compose-role-arns"]}}, False),
        ({"extraEnv": [{"name": "PIW_COMPOSE_ROLE_ARN", "value": "true"}]}, True),
        ({"extraEnv": [{"name": "PIW_COMPOSE_ROLE_ARN", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}, False),
        (
            {
                "config": {"extraArgs": ["--compose-role-arn=false"]},
                "extraEnv": [{"name": "PIW_COMPOSE_ROLE_ARN", "value": "true"}],
            },
            False,
        ),
        ({"config": {"extraArgs": None}, "extraEnv": None}, False),
    ],
)
def test_a_bare_name_is_a_role_where_the_webhook_composes_arns(values: Values, composes: bool) -> None:
    messages = [each["message"] for each in _policies(merged(NEW, values))[SERVICE_ACCOUNTS]["validations"]]

    assert (
        "annotation eks.amazonaws.com/role-arn is neither a role ARN nor a role's name or path" in messages
    ) == composes
    assert ("annotation eks.amazonaws.com/role-arn is not a role ARN" in messages) != composes


def test_the_policy_looks_where_the_webhook_does_and_not_at_helms_test() -> None:
    selector = {"matchLabels": {"aws": "yes"}}
    values = merged(NEW, {"mutatingWebhook": {"namespaceSelector": selector}, "config": {"annotationPrefix": "x.test"}})
    policy = _policies(values)[SERVICE_ACCOUNTS]

    assert policy["matchConstraints"]["namespaceSelector"] == selector
    assert all("x.test/" in each["expression"] for each in policy["validations"])
    conditions = {each["name"]: each["expression"] for each in policy["matchConditions"]}
    assert conditions["is-not-of-helm-test"] == 'request.namespace != "eks-pod-identity-webhook-test"'
    without = _policies(merged(values, {"tests": {"enabled": False}}))[SERVICE_ACCOUNTS]
    assert [each["name"] for each in without["matchConditions"]] == ["is-annotated"]


@pytest.mark.parametrize(
    "item",
    [
        {"accounts": [111122223333]},
        {"accounts": ["1111"]},
        {"accounts": []},
        {"namespaceLabels": {"team": "shop"}},
        {"accounts": ["111122223333"], "namespaceLabels": {"team": "a b"}},
        {"accounts": ["111122223333"], "namespaces": ["shop"]},
    ],
)
def test_an_account_that_makes_no_sense_is_refused(item: Values) -> None:
    with pytest.raises(helm_python.HelmValuesError, match="/serviceAccountPolicy/allowedAccounts/0"):
        Rendered(merged(NEW, {"serviceAccountPolicy": {"allowedAccounts": [item]}}))
