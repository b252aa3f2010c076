from typing import Final

import pytest

from tests.charts.matrix import CA_INJECTOR, CERT_MANAGER, MATRIX, OWN_SECRET, PEM_VALUES
from tests.charts.rendering import Object, Rendered, Values, merged

ACCOUNTS: Final = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "list", "watch"]}
CONFIGURATION: Final = {
    "apiGroups": ["admissionregistration.k8s.io"],
    "resources": ["mutatingwebhookconfigurations"],
    "resourceNames": ["pod-identity-webhook"],
    "verbs": ["get", "list", "watch", "patch"],
}
SECRET: Final = {
    "apiGroups": [""],
    "resources": ["secrets"],
    "resourceNames": ["pod-identity-webhook"],
    "verbs": ["get", "list", "watch", "patch"],
}
NEW_SECRET: Final = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}
MAPPINGS: Final = {
    "apiGroups": [""],
    "resources": ["configmaps"],
    "resourceNames": ["pod-identity-webhook"],
    "verbs": ["list", "watch"],
}
MOUNTED: Final = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
BY_OTHERS: Final = {**MOUNTED, "resourceNames": ["pod-identity-webhook-tls"]}
ONLY_SHOWN: Final = {**CONFIGURATION, "verbs": ["get"]}
# The rules for the cluster and for the namespace, by what the webhook does there.
LEAST: Final[dict[str, tuple[Values, list[Object], list[Object]]]] = {
    "it makes its own certificates": ({}, [ACCOUNTS, CONFIGURATION], [SECRET, NEW_SECRET]),
    "it also reads mappings": (MATRIX["role mappings"], [ACCOUNTS, CONFIGURATION], [SECRET, NEW_SECRET, MAPPINGS]),
    "cert-manager makes them": (CERT_MANAGER, [ACCOUNTS, CONFIGURATION], [SECRET, BY_OTHERS]),
    "an admin's Secret has them": (
        OWN_SECRET,
        [ACCOUNTS, CONFIGURATION],
        [SECRET, {**MOUNTED, "resourceNames": ["mine"]}],
    ),
    "the values have them": (PEM_VALUES, [ACCOUNTS, CONFIGURATION], [SECRET, BY_OTHERS]),
    "cainjector writes the caBundle": (CA_INJECTOR, [ACCOUNTS, ONLY_SHOWN], [BY_OTHERS]),
    "cainjector writes it, and it reads mappings": (
        merged(CA_INJECTOR, MATRIX["role mappings"]),
        [ACCOUNTS, ONLY_SHOWN],
        [BY_OTHERS, MAPPINGS],
    ),
}


@pytest.mark.parametrize("case", LEAST)
def test_the_rights_are_the_least(case: str) -> None:
    values, for_the_cluster, for_the_namespace = LEAST[case]
    rendered = Rendered(values)

    assert rendered.one("ClusterRole")["rules"] == for_the_cluster
    assert [rule for role in rendered.all("Role") for rule in role["rules"]] == for_the_namespace
    assert len(rendered.all("Role")) == len(rendered.all("RoleBinding")) == 1


@pytest.mark.parametrize(
    "values", [values for name, values in MATRIX.items() if name not in {"audit", "nothing optional"}]
)
def test_bindings_join_roles_that_are_there_to_the_account_of_the_pods(values: Values) -> None:
    rendered = Rendered(values)
    namespace = values.get("namespaceOverride", "eks")

    for kind in ("Role", "ClusterRole") if rendered.all("Role") else ("ClusterRole",):
        binding = rendered.one(f"{kind}Binding")
        assert binding["roleRef"] == {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": kind,
            "name": rendered.one(kind)["metadata"]["name"],
        }
        assert binding["subjects"] == [
            {
                "kind": "ServiceAccount",
                "name": rendered.pod["spec"]["serviceAccountName"],
                "namespace": namespace,
            }
        ]


@pytest.mark.parametrize(
    ("account", "name"),
    [({"name": "mine"}, "mine"), ({"create": False, "name": "mine"}, "mine"), ({"create": False}, "default")],
)
def test_the_account_may_be_anyones(account: Values, name: str) -> None:
    rendered = Rendered({"serviceAccount": account})

    assert [one["metadata"]["name"] for one in rendered.all("ServiceAccount")] == (
        [name] if account.get("create", True) else []
    )
    subjects = [subject for kind in ("RoleBinding", "ClusterRoleBinding") for subject in rendered.one(kind)["subjects"]]
    assert {rendered.pod["spec"]["serviceAccountName"], *(subject["name"] for subject in subjects)} == {name}


def test_the_test_may_create_pods_in_its_own_namespace_alone() -> None:
    hooks = Rendered().hooks()

    assert sorted({one["kind"] for one in hooks}) == [
        "ConfigMap",
        "Namespace",
        "Pod",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    ]
    (role,) = (one for one in hooks if one["kind"] == "Role")
    (binding,) = (one for one in hooks if one["kind"] == "RoleBinding")
    (namespace,) = (one for one in hooks if one["kind"] == "Namespace")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == namespace["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "pod-identity-webhook-test", "namespace": "eks"}]


def test_nothing_of_the_test_stays_but_a_pod_that_failed() -> None:
    hooks = Rendered().hooks()

    for one in hooks:
        policy = set(_annotations(one)["helm.sh/hook-delete-policy"].split(","))
        assert policy == {"before-hook-creation", "hook-succeeded"} | (
            {"hook-failed"} if one["kind"] != "Pod" else set()
        )
    # `helm test --logs` asks for the log of a pod with each hook's name, in whatever namespace the hook is.
    assert {one["metadata"]["name"] for one in hooks if one["kind"] != "Namespace"} == {"pod-identity-webhook-test"}


def _annotations(one: Object) -> dict[str, str]:
    annotations: dict[str, str] = one["metadata"]["annotations"]
    return annotations


def test_the_test_can_be_left_out() -> None:
    assert Rendered({"tests": {"enabled": False}}).hooks() == []
