"""The CronJob that audits: off by default, with an account of its own, and rights to evict only on request."""

from typing import Final

import pytest

from tests.charts.matrix import AUDIT
from tests.charts.rendering import Object, Rendered, Values, merged

_NAME: Final = "pod-identity-webhook-audit"
_ENABLED: Final[Values] = {"audit": {"enabled": True}}


def _verbs(rendered: Rendered, name: str) -> set[tuple[str, str]]:
    """Returns the verbs that the roles of the audit grant, each with its resource."""
    roles = [each for kind in ("ClusterRole", "Role") for each in rendered.all(kind)]
    return {
        (resource, verb)
        for role in roles
        if role["metadata"]["name"].startswith(name)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _cron_job(values: Values) -> Object:
    return Rendered(values).one("CronJob")


def _args(values: Values) -> list[str]:
    containers = _cron_job(values)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    args: list[str] = containers[0]["args"]
    return args


def test_it_is_off_by_default() -> None:
    assert [each for each in Rendered({}).objects if "audit" in each["metadata"]["name"]] == []


def test_it_only_reads_and_reports_unless_it_may_evict() -> None:
    verbs = _verbs(Rendered(_ENABLED), _NAME)
    assert {(resource, verb) for resource, verb in verbs if verb not in {"get", "list"}} == {
        ("events", "create"),
        ("events", "patch"),
    }
    evicting = _verbs(Rendered(AUDIT), _NAME)
    assert evicting - verbs == {
        ("pods", "get"),
        ("pods", "create"),
        ("pods/eviction", "create"),
        ("configmaps", "get"),
    }


def test_its_arguments_are_those_of_the_values() -> None:
    assert _args(_ENABLED) == [
        "--all-namespaces",
        "--events",
        "--webhook-configuration=pod-identity-webhook",
        "--leave-out=skipped,namespace-exempt,not-called",
    ]
    assert _args(AUDIT)[4:] == ["--evict", "--yes", "--limit=10", "--evict-changed"]
    assert not any(each.startswith("--leave-out") for each in _args(merged(_ENABLED, {"audit": {"leaveOut": []}})))


def test_its_pods_run_as_its_own_account_and_the_webhook_is_not_called_for_them() -> None:
    rendered = Rendered(_ENABLED)
    template = rendered.one("CronJob")["spec"]["jobTemplate"]["spec"]["template"]
    assert template["spec"]["serviceAccountName"] == _NAME
    assert template["metadata"]["labels"]["pod-identity-webhook/exempt"] == "true"
    assert _NAME in [each["metadata"]["name"] for each in rendered.all("ServiceAccount")]


@pytest.mark.parametrize(("version", "api"), [("1.20.2", "batch/v1beta1"), ("1.21.0", "batch/v1")])
def test_kubernetes_before_1_21_has_cron_jobs_in_beta(version: str, api: str) -> None:
    assert _cron_job(merged(_ENABLED, {"kubeVersionOverride": version}))["apiVersion"] == api


def test_its_name_leaves_room_for_the_names_of_its_jobs() -> None:
    name = _cron_job(merged(_ENABLED, {"fullnameOverride": "w" * 63}))["metadata"]["name"]
    assert len(name) <= 52


def test_the_alert_is_there_only_with_the_audit() -> None:
    def alerts(values: Values) -> list[str]:
        return [each["alert"] for each in Rendered(values).one("PrometheusRule")["spec"]["groups"][0]["rules"]]

    without = alerts({"metrics": {"prometheusRule": {"enabled": True}}})
    assert [each for each in alerts(AUDIT) if each not in without] == ["PodIdentityWebhookAuditFailed"]
