import json
import re

import pytest

from tests.charts.matrix import CERT_MANAGER, EXISTING_ISSUER, MONITORING, OWN_SECRET, PEM_VALUES, POD_MONITOR
from tests.charts.rendering import CHART, Object, Rendered, Values, merged

EXPOSED = (CHART.parents[1] / "tests/server/metrics/page.txt").read_text(encoding="utf-8")
STATE_METRICS = (CHART.parents[1] / "webhook/server/metrics/state.py").read_text(encoding="utf-8")
# Exposed by kube-state-metrics and cAdvisor.
FOREIGN = {"kube_deployment_status_replicas_available", "container_memory_working_set_bytes"}
HOUR = 3600
DAY = 24 * HOUR
NAME = re.compile(r"\b((?:pod_identity_webhook|http_request|kube|container)_\w+)(?=\{)")


def _is_known(metric: str) -> bool:
    base = re.sub(r"_(bucket|sum|count)$", "", metric)
    short = metric.removeprefix("pod_identity_webhook_")
    return (
        metric in FOREIGN
        or any(re.search(rf"^# TYPE {name} ", EXPOSED, re.MULTILINE) for name in (metric, base))
        or any(quoted in STATE_METRICS for quoted in (f'"{short}"', f'}}{short}"'))
    )


def test_alerts_are_about_metrics_that_we_have() -> None:
    rules = _rules(Rendered(MONITORING))
    names = {name for rule in rules for name in NAME.findall(rule["expr"])}

    assert len(names) >= 8
    assert [name for name in sorted(names) if not _is_known(name)] == []


def test_alerts_say_how_bad_it_is_and_go_by_this_release_alone() -> None:
    rules = _rules(Rendered(MONITORING))

    assert [rule["alert"].removeprefix("PodIdentityWebhook") for rule in rules] == [
        "Down",
        "CertificateEndsSoon",
        "CABundleOutOfSync",
        "CertificateWriteContention",
        "Errors",
        "Slow",
        "CacheStale",
    ]
    for rule in rules:
        assert rule["labels"].keys() == {"severity", "team"}
        assert rule["annotations"]["summary"]
        assert all('namespace="eks"' in series for series in re.findall(r"\{([^}]*)\}", rule["expr"]))


def test_more_rules_and_a_severity_of_ones_own() -> None:
    more = {"alert": "Mine", "expr": "vector(1)"}
    rule = {"additionalRules": [more], "alertLabels": {"severity": "page"}}
    rules = _rules(Rendered(merged(MONITORING, {"metrics": {"prometheusRule": rule}})))

    assert rules[-1] == more
    assert {one["labels"]["severity"] for one in rules[:-1]} == {"page"}


@pytest.mark.parametrize(
    ("policy", "summary"),
    [
        ("Ignore", "pods start without their AWS role, and the API server refuses pods labelled as requiring one."),
        ("Fail", "the API server refuses pods, except in kube-system, where they start without their AWS role."),
    ],
)
def test_the_alert_of_being_down_says_what_becomes_of_pods(policy: str, summary: str) -> None:
    down, *_ = _rules(Rendered(merged(MONITORING, {"mutatingWebhook": {"failurePolicy": policy}})))

    assert down["alert"] == "PodIdentityWebhookDown"
    assert down["annotations"]["summary"] == f"No replica is ready: {summary}"


def _self_managed(**lifetimes: str) -> Values:
    return {"pki": {"selfManaged": lifetimes}}


def _by_cert_manager(**certificate: str) -> Values:
    return merged(CERT_MANAGER, {"pki": {"certManager": {"certificate": certificate}}})


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ({}, 15 * DAY),
        (_self_managed(certificateLifetime="240h"), 40 * HOUR),
        (_self_managed(certificateLifetime="1h30m36s"), 906),
        (_self_managed(caLifetime="60h"), 10 * HOUR),
        (CERT_MANAGER, 15 * DAY),
        (EXISTING_ISSUER, 15 * DAY),
        (_by_cert_manager(duration="8760h0m0s", renewBefore="48h0m0s"), DAY),
        (_by_cert_manager(caDuration="1200h"), 200 * HOUR),
        (OWN_SECRET, 7 * DAY),
        (PEM_VALUES, 7 * DAY),
        ({"metrics": {"prometheusRule": {"certificateEndsSoon": "12h"}}}, 12 * HOUR),
    ],
)
def test_a_certificate_that_is_renewed_in_time_is_no_alert(values: Values, seconds: int) -> None:
    rules = {rule["alert"]: rule for rule in _rules(Rendered(merged(MONITORING, values)))}
    rule = rules["PodIdentityWebhookCertificateEndsSoon"]

    assert rule["expr"].rpartition(" - time() < ")[2] == str(seconds)
    assert rule["annotations"]["summary"].startswith("A certificate expires in {{ $value | humanizeDuration }} and")


def test_the_dashboard_is_json_about_metrics_that_we_have() -> None:
    config_map = Rendered(MONITORING).one("ConfigMap", "pod-identity-webhook-dashboard")
    dashboard = json.loads(config_map["data"]["pod-identity-webhook.json"])
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]

    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    names = {name for expression in expressions for name in NAME.findall(expression)}
    assert len(names) > 10
    assert [name for name in sorted(names) if not _is_known(name)] == []


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    dashboard = json.loads((CHART / "files/dashboard.json").read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, panel["title"]
        taken |= cells
    assert max(x for x, _ in taken) < 24


@pytest.mark.parametrize(
    ("values", "kind", "key"),
    [(MONITORING, "ServiceMonitor", "endpoints"), (POD_MONITOR, "PodMonitor", "podMetricsEndpoints")],
)
def test_monitors_find_our_pods(values: Values, kind: str, key: str) -> None:
    rendered = Rendered(values)
    monitor = rendered.one(kind)

    labels = rendered.one("Service")["metadata"]["labels"] if key == "endpoints" else rendered.pod["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert [endpoint["port"] for endpoint in monitor["spec"][key]] == ["metrics"]


def _rules(rendered: Rendered) -> list[Object]:
    (group,) = rendered.one("PrometheusRule")["spec"]["groups"]
    rules: list[Object] = group["rules"]
    return rules
