"""The webhook needs exactly the chart's RBAC rules, and names a missing one."""

from pathlib import Path

from tests.e2e.api import Api, Object
from tests.e2e.cluster import Cluster
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts
from tests.e2e.rbac import Account, account_with
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import Webhook


def test_the_webhook_of_these_tests_has_the_rules_of_the_chart_and_no_more(cluster: Cluster, webhook: Webhook) -> None:
    # An account with only the rules that Kubernetes grants to every ServiceAccount: their number grows with versions.
    bystander = account_with(cluster, webhook.namespace, "bystander", cluster_rules=[], namespace_rules=[])
    assert _granted(cluster, webhook.account) - _granted(cluster, bystander) == {
        *(("serviceaccounts", verb) for verb in ("get", "list", "watch")),
        *(("configmaps", verb, "pod-identity-webhook") for verb in ("list", "watch")),
    }


def test_with_those_rules_the_api_server_refuses_the_webhook_nothing(
    cluster: Cluster, webhook: Webhook, injected: str
) -> None:
    cluster.admin.create(service_accounts(injected), service_account("app", ROLE))
    assert role_of(cluster.admin.create(pods(injected), pod("app", "app"))) == ROLE
    assert "403" not in webhook.process.log_text(), webhook.process.last_lines()


def test_without_the_rule_for_service_accounts_it_is_not_ready_and_names_the_rule(
    cluster: Cluster, tmp_path: Path
) -> None:
    namespace = cluster.namespace("no-list")
    rules: list[Object] = [{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]}]
    own = Webhook(cluster, tmp_path, account_with(cluster, namespace, cluster_rules=rules))
    try:
        own.start(until=own.is_serving)
        wait_until(
            lambda: "serviceaccounts" in own.process.log_text() and "list" in own.process.log_text(),
            "a line of the log that names the missing rule",
            within=20,
            last_seen=own.process.last_lines,
        )
        assert own.probe("/readyz") == 503
    finally:
        own.remove()


def test_without_the_rule_for_the_config_map_it_is_not_ready_and_names_the_rule(
    cluster: Cluster, tmp_path: Path
) -> None:
    namespace = cluster.namespace("no-config-map")
    own = Webhook(cluster, tmp_path, account_with(cluster, namespace, namespace_rules=[]), "--watch-config-map")
    try:
        own.start(until=own.is_serving)
        wait_until(
            lambda: "configmaps" in own.process.log_text(),
            "a line of the log that names the missing rule",
            within=20,
            last_seen=own.process.last_lines,
        )
        assert own.probe("/readyz") == 503
    finally:
        own.remove()


def _granted(cluster: Cluster, account: Account) -> set[tuple[str, ...]]:
    """Returns the resource, verb and names of each rule that an account has in its namespace."""
    user = Api(cluster.url, cluster.ca, account.token)
    body: Object = {"spec": {"namespace": account.namespace}}
    rules = user.create("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body)["status"]["resourceRules"]
    user.close()
    return {
        (resource, verb, *rule.get("resourceNames", []))
        for rule in rules
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
