"""Values files for the popular chart for the Go webhook: empty values, and the defaults of several releases."""

from typing import Any, Final

import pytest

from tests.charts.rendering import Rendered, Values, at, merged

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
        at(made, *above).pop(last)
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
