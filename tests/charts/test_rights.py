import pytest

from tests.charts.matrix import CA_INJECTOR, CERT_MANAGER, MATRIX, OWN_SECRET, OWN_SECRET_AND_CA, PEM_VALUES
from tests.charts.rendering import Object, Rendered, Values


def test_the_rights_are_the_least() -> None:
    rendered = Rendered({"config": {"podIdentityWebhookMap": {"enabled": True}}})

    assert rendered.one("ClusterRole")["rules"] == [
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "list", "watch"]},
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["mutatingwebhookconfigurations"],
            "resourceNames": ["pod-identity-webhook"],
            "verbs": ["get", "list", "watch", "patch"],
        },
    ]
    assert rendered.one("Role")["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["pod-identity-webhook"],
            "verbs": ["get", "list", "watch", "patch"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["pod-identity-webhook"],
            "verbs": ["get", "list", "watch"],
        },
    ]


@pytest.mark.parametrize(
    ("values", "secret"),
    [
        (OWN_SECRET, "mine"),
        (OWN_SECRET_AND_CA, "mine"),
        (PEM_VALUES, "pod-identity-webhook-tls"),
        (CERT_MANAGER, "pod-identity-webhook-tls"),
        (CA_INJECTOR, "pod-identity-webhook-tls"),
    ],
    ids=["own Secret", "own Secret and CA", "PEM values", "cert-manager", "cainjector"],
)
def test_with_a_certificate_of_others_the_pods_may_also_read_the_secret_that_they_mount(
    values: Values, secret: str
) -> None:
    added = [rule for rule in Rendered(values).one("Role")["rules"] if rule not in Rendered().one("Role")["rules"]]

    assert added == [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": ["get"]}]


@pytest.mark.parametrize("values", [values for name, values in MATRIX.items() if name != "nothing optional"])
def test_bindings_join_roles_that_are_there_to_the_account_of_the_pods(values: Values) -> None:
    rendered = Rendered(values)
    namespace = values.get("namespaceOverride", "eks")

    for kind in ("Role", "ClusterRole"):
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
