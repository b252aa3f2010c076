"""Values files for the popular chart for the Go webhook: templates, empty values, and defaults of several releases."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import helm_python
import pytest
import yaml

from tests.charts.rendering import CHART, NAMESPACE, Rendered, Values, merged

GLOBAL: Final[Values] = {
    "global": {"account": "111122223333", "region": "eu-west-1", "team": "shop", "audience": "mine"}
}


def _flag(name: str) -> Callable[[Rendered], Any]:
    return lambda rendered: next(arg for arg in rendered.container["args"] if arg.startswith(f"--{name}="))


def _pod(*path: str) -> Callable[[Rendered], Any]:
    return lambda rendered: _at(rendered.pod["spec"], *path)


def _of(kind: str, *path: str) -> Callable[[Rendered], Any]:
    return lambda rendered: _at(rendered.one(kind), *path)


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value[key]
    return value


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


EMPTIES: Final[tuple[Any, ...]] = ({}, [], "", None)
MAY_BE_EMPTY: Final = (
    *("nameOverride", "fullnameOverride", "namespaceOverride", "commonLabels", "imagePullSecrets", "priorityClassName"),
    *("image.registry", "config.defaultAwsRegion", "config.extraArgs", "config.podIdentityWebhookMap.data"),
    *("mutatingWebhook.annotations", "mutatingWebhook.namespaceSelector", "mutatingWebhook.objectSelector"),
    *("mutatingWebhook.objectSelector.matchLabels", "mutatingWebhook.objectSelector.matchExpressions"),
    *("mutatingWebhook.matchConditions", "pki.caBundle", "pki.cert", "pki.key", "pki.existingSecret", "strategy"),
    *("annotations", "podAnnotations", "podLabels", "service.annotations", "service.labels", "serviceAnnotations"),
    *("dnsConfig", "serviceAccount.labels", "service.ipFamilyPolicy"),
    *("serviceAccount.annotations", "serviceAccount.name", "affinity", "nodeSelector", "tolerations", "resources"),
    *("securityContext", "podSecurityContext", "topologySpreadConstraints", "extraEnv", "extraVolumes"),
    *("extraVolumeMounts", "extraObjects", "metrics.serviceMonitor.additionalLabels"),
    *("metrics.serviceMonitor.relabelings", "metrics.serviceMonitor.interval", "metrics.serviceMonitor.scrapeTimeout"),
    *("metrics.serviceMonitor.namespace", "metrics.serviceMonitor.endpointAdditionalProperties", "lifecycle"),
)


def _set(path: str, value: Any) -> Values:
    for key in reversed(path.split(".")):
        value = {key: value}
    made: Values = value
    return made


@pytest.mark.parametrize("path", MAY_BE_EMPTY)
def test_what_is_empty_may_be_of_any_type(path: str) -> None:
    monitored: Values = {"metrics": {"serviceMonitor": {"enabled": True}}, "replicaCount": 3}
    with_map, with_list, with_text, with_null = (
        Rendered(merged(monitored, _set(path, empty))).objects for empty in EMPTIES
    )
    assert with_list == with_text == with_null
    # Helm merges a map with the default, if there is one.
    assert with_map in (with_null, Rendered(monitored).objects)


# The current defaults of the other chart, except its registry; then the defaults that differed in older releases.
NOW: Final[Values] = {
    "nameOverride": "",
    "namespaceOverride": "",
    "fullnameOverride": "",
    "replicaCount": 1,
    "strategy": {},
    "podDisruptionBudget": {"enabled": False, "minAvailable": None, "maxUnavailable": None},
    "priorityClassName": "",
    "image": {
        "pullPolicy": "IfNotPresent",
        "registry": "registry.example.com",
        "tag": "",
        "repository": "eks/amazon-eks-pod-identity-webhook",
    },
    "imagePullSecrets": [],
    "config": {
        "annotationPrefix": "eks.amazonaws.com",
        "defaultAwsRegion": "us-east-1",
        "extraArgs": [],
        "ports": {"metrics": 9999, "webhook": 8443},
        "stsRegionalEndpoint": True,
        "tokenExpiration": 86400,
        "tokenAudience": "sts.amazonaws.com",
        "tokenMountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount",
        "podIdentityWebhookMap": {"enabled": False, "name": "pod-identity-webhook", "data": {}},
    },
    "mutatingWebhook": {
        "annotations": {},
        "failurePolicy": "Ignore",
        "namespaceSelector": {},
        "objectSelector": {"matchExpressions": [], "matchLabels": {}},
    },
    "pki": {
        "certManager": {
            "enabled": True,
            "certificate": {"duration": "2160h", "renewBefore": "360h"},
            "existingIssuer": {"enabled": False, "kind": "ClusterIssuer", "name": "selfsigned"},
        },
        "caBundle": "",
        "cert": "",
        "key": "",
        "existingSecret": "",
    },
    "metrics": {
        "serviceMonitor": {
            "enabled": False,
            "namespace": "",
            "additionalLabels": {},
            "interval": "30s",
            "scrapeTimeout": "",
            "honorLabels": False,
            "relabelings": [],
            "endpointAdditionalProperties": {},
        }
    },
    "readinessProbe": {"httpGet": {"path": "/healthz", "port": "https", "scheme": "HTTPS"}},
    "livenessProbe": {"httpGet": {"path": "/healthz", "port": "https", "scheme": "HTTPS"}},
    "annotations": {},
    "hostNetwork": False,
    "resources": {"limits": {}, "requests": {}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsGroup": 1,
        "runAsNonRoot": False,
        "runAsUser": 65534,
        "capabilities": {"drop": ["ALL"]},
    },
    "podSecurityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
    "service": {"type": "ClusterIP", "annotations": {}, "labels": {}},
    "serviceAccount": {"create": True, "name": "", "annotations": {}},
    "podLabels": {},
    "podAnnotations": {},
    "affinity": {},
    "nodeSelector": {},
    "tolerations": [],
}
# Releases 2.1.1 to 2.4.0. The type is wrong.
EMPTIES_OF_2: Final[Values] = {"mutatingWebhook": {"objectSelector": {"matchExpressions": {}, "matchLabels": []}}}
PROBES_OF_1: Final[Values] = {
    "readinessProbe": {"httpGet": {"path": "/healthz", "port": "metrics"}},
    "livenessProbe": {"httpGet": {"path": "/healthz", "port": "metrics"}},
}
MONITOR_OF_1: Final[Values] = {
    "podMonitor": {
        "enabled": False,
        "namespace": "",
        "additionalLabels": {},
        "interval": "30s",
        "scrapeTimeout": "",
        "honorLabels": False,
        "relabelings": [],
    }
}


def _without(values: Values, *paths: str) -> Values:
    made = merged(values)
    for path in paths:
        *above, last = path.split(".")
        _at(made, *above).pop(last)
    return made


OF_1: Final = merged(
    _without(NOW, "podDisruptionBudget", "priorityClassName", "strategy", "hostNetwork", "podSecurityContext")
    | {"metrics": MONITOR_OF_1, **PROBES_OF_1},
    {"podSecurityContext": {}},
)
OF_0: Final = merged(
    _without(
        OF_1,
        *(
            "image.registry",
            "config.stsRegionalEndpoint",
            "config.tokenExpiration",
            "config.tokenMountPath",
            "podLabels",
        ),
        *("config.podIdentityWebhookMap", "mutatingWebhook.namespaceSelector", "mutatingWebhook.objectSelector"),
        *("service.annotations", "service.labels", "metrics", "resources"),
    ),
    {"mutatingWebhook": {"failurePolicy": "Fail"}, "serviceAnnotations": {}, "resources": {}},
)
GENERATIONS: Final = {"now": NOW, "2.1.1 to 2.4.0": merged(NOW, EMPTIES_OF_2), "1": OF_1, "0": OF_0}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_defaults_of_each_generation_do_what_they_did(generation: str) -> None:
    values = GENERATIONS[generation]
    rendered = Rendered(values)

    config = values["config"]
    assert {
        "--annotation-prefix=eks.amazonaws.com",
        "--aws-default-region=us-east-1",
        f"--sts-regional-endpoint={str(config.get('stsRegionalEndpoint', False)).lower()}",
        "--token-audience=sts.amazonaws.com",
        "--token-expiration=86400",
        "--token-mount-path=/var/run/secrets/eks.amazonaws.com/serviceaccount",
        "--port=8443",
        "--metrics-port=9999",
    } <= set(rendered.container["args"])
    for probe in ("readinessProbe", "livenessProbe"):
        assert rendered.container[probe]["httpGet"] == values[probe]["httpGet"]
    assert rendered.one("Deployment")["spec"]["replicas"] == 1
    assert rendered.all("PodDisruptionBudget") == [] or "podDisruptionBudget" not in values
    assert rendered.all("ServiceMonitor") == rendered.all("PodMonitor") == []
    entry = rendered.one("MutatingWebhookConfiguration")["webhooks"][0]
    assert entry["failurePolicy"] == values["mutatingWebhook"]["failurePolicy"]
    assert {one["spec"]["secretName"] for one in rendered.all("Certificate")} != set()
    assert rendered.one("Service")["spec"]["type"] == "ClusterIP"
    assert rendered.container["securityContext"] == values["securityContext"]
    assert "This is the Go webhook's image: remove image.*" in rendered.notes


def test_its_older_name_of_the_services_annotations_has_effect() -> None:
    service = Rendered({"serviceAnnotations": {"a": "old", "b": "old"}, "service": {"annotations": {"a": "new"}}})

    assert service.one("Service")["metadata"]["annotations"] == {"a": "new", "b": "old"}


@pytest.mark.parametrize(("tag", "warned"), [("v0.6.0", True), ("v1", True), ("0.1.0", False), ("", False)])
def test_a_tag_of_the_go_webhook_alone_is_warned_of(tag: str, warned: bool) -> None:
    notes = Rendered({"image": {"tag": tag}}).notes

    assert (f"WARNING: image.tag is {tag}. This is a tag of the Go webhook's image" in notes) == warned


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
