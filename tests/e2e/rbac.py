"""Creates a ServiceAccount in the API server with exactly the given RBAC rules, and a token for it."""

from dataclasses import dataclass
from typing import Any

from tests.e2e.api import Api, Object
from tests.e2e.cluster import Cluster
from tests.e2e.objects import service_accounts
from tests.e2e.waiting import wait_until

RBAC = "/apis/rbac.authorization.k8s.io/v1"

# The chart's rules: the ServiceAccounts of the whole cluster, and one ConfigMap in the webhook's namespace.
CLUSTER_RULES: list[Object] = [
    {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "list", "watch"]},
]
NAMESPACE_RULES: list[Object] = [
    {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": ["pod-identity-webhook"],
        "verbs": ["list", "watch"],
    },
]


def certificate_rules(secret: str, configuration: str) -> tuple[list[Object], list[Object]]:
    """Returns the chart's rules for self-managed certificates: for the cluster, and for the webhook's namespace.

    RBAC cannot limit `create` to a name, because it does not know the name of a new object.
    """
    configurations = {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["mutatingwebhookconfigurations"],
        "resourceNames": [configuration],
        "verbs": ["get", "list", "watch", "patch"],
    }
    secrets: Object = {"apiGroups": [""], "resources": ["secrets"]}
    return [configurations], [
        {**secrets, "resourceNames": [secret], "verbs": ["get", "list", "watch", "patch"]},
        {**secrets, "verbs": ["create"]},
    ]


@dataclass(frozen=True)
class Account:
    """A ServiceAccount and its token, which is valid for an hour."""

    namespace: str
    name: str
    token: str


def account_with(
    cluster: Cluster,
    namespace: str,
    name: str = "pod-identity-webhook",
    *,
    cluster_rules: list[Object] | None = None,
    namespace_rules: list[Object] | None = None,
) -> Account:
    """Creates a ServiceAccount with rules, by default the chart's; returns when the API server applies them."""
    cluster_rules = CLUSTER_RULES if cluster_rules is None else cluster_rules
    namespace_rules = NAMESPACE_RULES if namespace_rules is None else namespace_rules
    admin = cluster.admin
    unique = f"{namespace}-{name}"
    subjects = [{"kind": "ServiceAccount", "namespace": namespace, "name": name}]
    admin.create(service_accounts(namespace), {"metadata": {"name": name}})
    admin.create(f"{RBAC}/clusterroles", {"metadata": {"name": unique}, "rules": cluster_rules})
    admin.create(f"{RBAC}/clusterrolebindings", _binding(unique, "ClusterRole", subjects))
    roles = f"{RBAC}/namespaces/{namespace}"
    admin.create(f"{roles}/roles", {"metadata": {"name": unique}, "rules": namespace_rules})
    admin.create(f"{roles}/rolebindings", _binding(unique, "Role", subjects))
    request: dict[str, Any] = {"spec": {"expirationSeconds": 3600}}
    answer = admin.create(f"{service_accounts(namespace)}/{name}/token", request)
    account = Account(namespace, name, answer["status"]["token"])
    user = Api(cluster.url, cluster.ca, account.token)
    try:
        for where, rules in (({}, cluster_rules), ({"namespace": namespace}, namespace_rules)):
            for rule in rules:
                asked = {**where, **_first_of(rule)}
                wait_until(lambda asked=asked: may(user, asked), f"{unique} may {asked}", within=15)  # type: ignore[misc]
    finally:
        user.close()
    return account


def may(user: Api, attributes: Object) -> bool:
    """Whether RBAC allows `resourceAttributes` of a SelfSubjectAccessReview."""
    review = {"spec": {"resourceAttributes": attributes}}
    answer = user.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


def _first_of(rule: Object) -> Object:
    """Returns `resourceAttributes` that a rule allows."""
    named = {"name": rule["resourceNames"][0]} if "resourceNames" in rule else {}
    return {"group": rule["apiGroups"][0], "resource": rule["resources"][0], "verb": rule["verbs"][0], **named}


def _binding(name: str, kind: str, subjects: list[Object]) -> Object:
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": subjects,
    }
