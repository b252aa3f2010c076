"""Values files for the popular chart for the Go webhook: templates in values, and values from a parent chart."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import helm_python
import pytest
import yaml

from tests.charts.rendering import CHART, NAMESPACE, Rendered, Values, at, merged

GLOBAL: Final[Values] = {
    "global": {"account": "111122223333", "region": "eu-west-1", "team": "shop", "audience": "mine"}
}


def _flag(name: str) -> Callable[[Rendered], Any]:
    return lambda rendered: next(arg for arg in rendered.container["args"] if arg.startswith(f"--{name}="))


def _pod(*path: str) -> Callable[[Rendered], Any]:
    return lambda rendered: at(rendered.pod["spec"], *path)


def _of(kind: str, *path: str) -> Callable[[Rendered], Any]:
    return lambda rendered: at(rendered.one(kind), *path)


def _affinity(key: str) -> Values:
    requirement = {"key": key, "operator": "Exists"}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


TEAM: Final = "{{ .Values.global.team }}"
# Values with a template, where in the objects the result appears, and the result.
TEMPLATED: Final[dict[str, tuple[Values, Callable[[Rendered], Any], Any]]] = {
    "region": (
        {"config": {"defaultAwsRegion": "{{ .Values.global.region }}"}},
        _flag("aws-default-region"),
        "--aws-default-region=eu-west-1",
    ),
    "audience": (
        {"config": {"tokenAudience": "{{ .Values.global.audience }}"}},
        _flag("token-audience"),
        "--token-audience=mine",
    ),
    "prefix": (
        {"config": {"annotationPrefix": "{{ .Values.global.team }}.example.com"}},
        _flag("annotation-prefix"),
        "--annotation-prefix=shop.example.com",
    ),
    "mount path": (
        {"config": {"tokenMountPath": '{{ printf "/var/run/%s" .Release.Name }}'}},
        _flag("token-mount-path"),
        "--token-mount-path=/var/run/pod-identity-webhook",
    ),
    "expiration": (
        {"config": {"tokenExpiration": "{{ mul 60 60 }}"}},
        _flag("token-expiration"),
        "--token-expiration=3600",
    ),
    "arguments": (
        {"config": {"extraArgs": ["--aws-account-id={{ .Values.global.account }}"]}},
        _flag("aws-account-id"),
        "--aws-account-id=111122223333",
    ),
    "annotations": ({"annotations": {"team": TEAM}}, _of("Deployment", "metadata", "annotations", "team"), "shop"),
    "keys of annotations": (
        {"annotations": {"{{ .Values.global.team }}.example.com/on": "yes"}},
        _of("Deployment", "metadata", "annotations"),
        {"shop.example.com/on": "yes"},
    ),
    "annotations of pods": (
        {"podAnnotations": {"team": TEAM}},
        lambda rendered: rendered.pod["metadata"]["annotations"]["team"],
        "shop",
    ),
    "annotations of the account": (
        {"serviceAccount": {"annotations": {"team": TEAM}}},
        _of("ServiceAccount", "metadata", "annotations", "team"),
        "shop",
    ),
    "annotations of the Service": (
        {"service": {"annotations": {"team": TEAM}}},
        _of("Service", "metadata", "annotations", "team"),
        "shop",
    ),
    "annotations of the configuration": (
        {"mutatingWebhook": {"annotations": {"team": TEAM}}},
        _of("MutatingWebhookConfiguration", "metadata", "annotations", "team"),
        "shop",
    ),
    "labels": ({"podLabels": {"team": TEAM}}, lambda rendered: rendered.pod["metadata"]["labels"]["team"], "shop"),
    "keys of labels": (
        {"service": {"labels": {"{{ .Values.global.team }}": "x"}}},
        _of("Service", "metadata", "labels", "shop"),
        "x",
    ),
    "node selector": ({"nodeSelector": {"team": TEAM}}, _pod("nodeSelector", "team"), "shop"),
    "affinity": ({"affinity": _affinity(TEAM)}, _pod("affinity"), _affinity("shop")),
    "tolerations": (
        {"tolerateControlPlane": False, "tolerations": [{"key": TEAM, "operator": "Exists"}]},
        _pod("tolerations"),
        [{"key": "shop", "operator": "Exists"}],
    ),
    "priority class": ({"priorityClassName": TEAM}, _pod("priorityClassName"), "shop"),
    "image": (
        {"image": {"registry": "{{ .Values.global.team }}.example.com"}},
        lambda rendered: rendered.container["image"].split("/")[0],
        "shop.example.com",
    ),
    "pull secrets": ({"imagePullSecrets": [TEAM]}, _pod("imagePullSecrets"), [{"name": "shop"}]),
    "name": ({"fullnameOverride": TEAM}, _of("Deployment", "metadata", "name"), "shop"),
    "namespace": ({"namespaceOverride": TEAM}, _of("Deployment", "metadata", "namespace"), "shop"),
    "labels of the monitor": (
        {"metrics": {"serviceMonitor": {"enabled": True, "additionalLabels": {"team": TEAM}}}},
        _of("ServiceMonitor", "metadata", "labels", "team"),
        "shop",
    ),
    "selectors": (
        {"mutatingWebhook": {"namespaceSelector": {"matchLabels": {"team": TEAM}}}},
        lambda rendered: rendered.one("MutatingWebhookConfiguration")["webhooks"][0]["namespaceSelector"][
            "matchLabels"
        ],
        {"team": "shop"},
    ),
}


@pytest.mark.parametrize("place", TEMPLATED)
def test_a_template_in_a_value_is_evaluated(place: str) -> None:
    values, found, expected = TEMPLATED[place]
    assert found(Rendered(merged(GLOBAL, values))) == expected


def test_templates_in_mappings_are_evaluated_in_keys_and_values() -> None:
    mapping = {
        "{{ .Release.Namespace }}/reports": {
            "RoleARN": 'arn:aws:iam::{{ .Values.global.account }}:role/{{ default "reports" .Values.global.none }}',
            "Audience": "{{ .Values.config.tokenAudience }}",
            "TokenExpiration": 1000000,
        }
    }
    values = merged(GLOBAL, {"config": {"podIdentityWebhookMap": {"enabled": True, "data": mapping}}})

    config_map = Rendered(values).one("ConfigMap", "pod-identity-webhook")

    assert json.loads(config_map["data"]["config"]) == {
        f"{NAMESPACE}/reports": {
            "RoleARN": "arn:aws:iam::111122223333:role/reports",
            "Audience": "sts.amazonaws.com",
            "TokenExpiration": 1000000,
        }
    }


def test_rules_for_alerts_keep_their_own_templates() -> None:
    rule = {"alert": "Mine", "expr": "up == 0", "annotations": {"summary": "{{ $labels.pod }} is gone"}}
    values = {"podLabels": {"team": TEAM}, "metrics": {"prometheusRule": {"enabled": True, "additionalRules": [rule]}}}

    rules = Rendered(merged(GLOBAL, values)).one("PrometheusRule")["spec"]["groups"][0]["rules"]

    assert rule in rules


@pytest.mark.parametrize("enabled", [True, False])
def test_a_parent_chart_may_have_it_on_a_condition(enabled: bool, tmp_path: Path) -> None:
    parent = tmp_path / "platform"
    shutil.copytree(CHART, parent / "charts/pod-identity-webhook")
    dependency = {"name": "pod-identity-webhook", "version": "*", "condition": "pod-identity-webhook.enabled"}
    chart = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(chart))
    ours: Values = {"enabled": enabled, "config": {"defaultAwsRegion": "{{ .Values.global.region }}"}}
    values: Values = {"global": {"region": "eu-west-1"}, "pod-identity-webhook": ours}

    files = helm_python.Chart.load(parent).render(values, name="platform", namespace=NAMESPACE)

    deployment = files.get("platform/charts/pod-identity-webhook/templates/deployment.yaml", "")
    assert ("--aws-default-region=eu-west-1" in deployment) == enabled
    assert any(text.strip() for text in files.values()) == enabled
