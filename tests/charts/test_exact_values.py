"""The chart renders each value unchanged, or refuses it and names its key. It never changes a type, flag or number."""

import json
from collections.abc import Iterator
from typing import Any

import helm_python
import pytest
import yaml

from tests.charts.matrix import EXISTING_ISSUER, MATRIX, MONITORING, OWN_SECRET, POD_MONITOR
from tests.charts.rendering import CHART, Rendered, Values, merged

DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
# Without quotes, YAML readers take none of these for text.
WORDS = ["true", "on", "no", "null", "y", "123", "0x10", "1e3", "0o7", "1-1"]
# These begin with a digit, but the name of a Service must not.
NUMBERS = {word for word in WORDS if word[0].isdigit()}
EVERYTHING = merged(
    MATRIX["everything of a pod"],
    MATRIX["role mappings"],
    MATRIX["network policy"],
    MATRIX["selectors"],
    MONITORING,
    EXISTING_ISSUER,
)
NAMED: dict[str, Values] = {
    "everything": merged(EVERYTHING, {"autoscaling": {"enabled": True}}),
    "pod monitor": POD_MONITOR,
    "own Secret": OWN_SECRET,
    "cert-manager": MATRIX["cert-manager"],
}
NAME_KEYS = [
    "nameOverride",
    "namespaceOverride",
    "serviceAccount.name",
    "priorityClassName",
    "config.podIdentityWebhookMap.name",
    "metrics.serviceMonitor.namespace",
    "metrics.dashboard.namespace",
    "pki.certManager.existingIssuer.name",
]
ARGUMENTS = {
    "config.tokenAudience": "--token-audience",
    "config.defaultAwsRegion": "--aws-default-region",
    "config.tokenMountPath": "--token-mount-path",
    "config.podIdentityWebhookMap.name": "--config-map-name",
}
TRICKY = [
    "x #y",
    "x\n- --annotation-prefix=evil.test",
    "a: b",
    "{a",
    "[a]",
    "'",
    '"',
    "\\",
    "%s",
    "&a *b",
    " x ",
    "<é>",
]
# `null` removes the default of these values, and the chart has no substitute.
NO_NULL = [
    "image",
    "image.repository",
    "image.pullPolicy",
    "config",
    "config.annotationPrefix",
    "config.tokenAudience",
    "config.tokenMountPath",
    "config.ports.webhook",
    "config.podIdentityWebhookMap",
    "mutatingWebhook.failurePolicy",
    "pki",
    "pki.certManager.existingIssuer",
    "replicaCount",
    "podDisruptionBudget",
    "serviceAccount.create",
    "service.type",
    "metrics.prometheusRule",
    "networkPolicy",
    "tests",
]


def _nested(path: str, value: object) -> Values:
    head, _, rest = path.partition(".")
    return {head: _nested(rest, value) if rest else value}


def _tried(values: Values) -> tuple[Rendered | None, str]:
    """The rendered objects, or the reason why the chart refuses the values."""
    try:
        return Rendered(values), ""
    except helm_python.HelmError as refused:
        return None, str(refused)


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """All values, by key, that are text in the Kubernetes API."""
    if isinstance(value, dict):
        for inner, child in value.items():
            is_map_of_text = key in {"labels", "matchLabels", "annotations", "nodeSelector"}
            yield from [("a key", inner), (key, child)] if is_map_of_text else _strings(child, inner)
    elif isinstance(value, list):
        for child in value:
            yield from _strings(child, key)
    elif key.endswith(("name", "Name", "namespace")) or key in {"args", "value", "dnsNames", "matchNames", "values"}:
        yield key, value


def _assert_text(rendered: Rendered) -> None:
    for one in rendered.objects:
        wrong = [(key, value) for key, value in _strings(one) if not isinstance(value, str)]
        assert wrong == [], one["kind"]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("values", NAMED.values(), ids=NAMED)
def test_releases_and_namespaces_may_have_any_name_that_kubernetes_allows(values: Values, word: str) -> None:
    named = merged(values, {"fullnameOverride": "identity" if word in NUMBERS else word})
    rendered = Rendered(named, release=word, namespace=word)

    _assert_text(rendered)
    deployment = rendered.one("Deployment")
    assert deployment["metadata"]["namespace"] == word
    assert deployment["metadata"]["name"] == named["fullnameOverride"]
    assert deployment["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"] == word


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("key", NAME_KEYS)
def test_a_name_is_text_whatever_it_looks_like(key: str, word: str) -> None:
    rendered = Rendered(merged(EVERYTHING, _nested(key, word)))

    _assert_text(rendered)
    assert word in {value for one in rendered.objects for _, value in _strings(one)}


@pytest.mark.parametrize("word", WORDS)
def test_names_of_secrets_are_text_whatever_they_look_like(word: str) -> None:
    rendered = Rendered({"pki": {"existingSecret": word}, "imagePullSecrets": [word, {"name": word}]})

    _assert_text(rendered)
    (volume,) = rendered.pod["spec"]["volumes"]
    assert volume["projected"]["sources"][0]["secret"]["name"] == word
    assert rendered.pod["spec"]["imagePullSecrets"] == [{"name": word}, {"name": word}]


@pytest.mark.parametrize("word", WORDS)
def test_labels_are_text_whatever_they_look_like(word: str) -> None:
    labels = {word: word}
    rendered = Rendered({"commonLabels": labels, "podLabels": labels, "service": {"labels": labels}})

    _assert_text(rendered)
    assert rendered.pod["metadata"]["labels"][word] == word
    assert rendered.one("Service")["metadata"]["labels"][word] == word


@pytest.mark.parametrize("text", [*WORDS, *TRICKY])
@pytest.mark.parametrize("key", ARGUMENTS)
def test_an_argument_stays_one_whatever_is_in_it(key: str, text: str) -> None:
    text = f"/{text}" if key.endswith("Path") else text
    enabled = {"config": {"podIdentityWebhookMap": {"enabled": True}}}
    before = Rendered(enabled).container["args"]
    rendered, refusal = _tried(merged(enabled, _nested(key, text)))

    if rendered is None:
        assert key.endswith("name")
        assert text in TRICKY
        assert f"at '/{key.replace('.', '/')}'" in refusal
    else:
        flag = ARGUMENTS[key]
        expected = [f"{flag}={text}" if arg.startswith(f"{flag}=") else arg for arg in before]
        assert rendered.container["args"] == expected


@pytest.mark.parametrize("text", TRICKY)
def test_extra_arguments_stay_what_they_are(text: str) -> None:
    assert Rendered({"config": {"extraArgs": [text, "--v=5"]}}).container["args"][-2:] == [text, "--v=5"]


@pytest.mark.parametrize("tag", [1.1, 1, 20261121, 0, 1e30])
def test_a_tag_that_is_a_number_is_refused_for_1_10_would_be_1_1(tag: float) -> None:
    with pytest.raises(helm_python.HelmRenderError, match=r"image\.tag: .* is a number.* quote it"):
        Rendered({"image": {"tag": tag}})


def _paths(values: Values, prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield prefix + key
        if isinstance(value, dict) and key != "nodeSelector":
            yield from _paths(value, f"{prefix}{key}.")


@pytest.mark.parametrize("path", list(_paths(DEFAULTS)))
def test_null_is_as_good_as_empty_or_refused_by_its_key(path: str) -> None:
    base = POD_MONITOR if "podMonitor" in path else {} if "selfManaged" in path else EVERYTHING
    rendered, refusal = _tried(merged(base, _nested(path, None)))

    if rendered is None:
        key = path.rpartition(".")[2]
        assert any(named in refusal for named in (f"'{key}'", f"{key}: ", f"{key} "))
        assert "nil pointer" not in refusal
    else:
        text = json.dumps(rendered.objects) + rendered.notes
        assert [sign for sign in ("%!", "<nil>", "<no value>") if sign in text] == []
        _assert_text(rendered)


@pytest.mark.parametrize("path", NO_NULL)
def test_null_is_refused_where_something_must_be_given(path: str) -> None:
    key = path.rpartition(".")[2]
    with pytest.raises(helm_python.HelmValuesError, match=f"'{key}'"):
        Rendered(_nested(path, None))


@pytest.mark.parametrize(
    ("values", "kind", "key", "number"),
    [
        ({"replicaCount": 1000000}, "Deployment", "replicas", 1000000),
        ({"revisionHistoryLimit": 12345678}, "Deployment", "revisionHistoryLimit", 12345678),
        ({"podDisruptionBudget": {"minAvailable": 1000000}}, "PodDisruptionBudget", "minAvailable", 1000000),
        ({"podDisruptionBudget": {"maxUnavailable": 1000000}}, "PodDisruptionBudget", "maxUnavailable", 1000000),
        (
            {"autoscaling": {"enabled": True, "maxReplicas": 1000000}},
            "HorizontalPodAutoscaler",
            "maxReplicas",
            1000000,
        ),
    ],
)
def test_large_numbers_are_written_out(values: Values, kind: str, key: str, number: int) -> None:
    found = Rendered(values).one(kind)["spec"][key]

    assert found == number
    assert isinstance(found, int)


def test_a_long_time_to_stop_and_much_to_log_are_written_out() -> None:
    rendered = Rendered({"terminationGracePeriodSeconds": 31536000, "config": {"verbosity": 1000000}})

    assert repr(rendered.pod["spec"]["terminationGracePeriodSeconds"]) == "31536000"
    assert "--v=1000000" in rendered.container["args"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("replicaCount", 2147483648),
        ("terminationGracePeriodSeconds", 2147483648),
        ("revisionHistoryLimit", 1e30),
        ("config.tokenExpiration", "010"),
        ("config.drainPeriod", "010s"),
        ("namespaceOverride", "a.b"),
        ("namespaceOverride", "n" * 64),
        ("serviceAccount.name", "My Account"),
        ("priorityClassName", "x #y"),
        ("pki.existingSecret", "Mine"),
        ("commonLabels.team", "a b"),
        ("podLabels.team", "x" * 64),
        ("service.labels.team", "-a"),
        ("tests.podLabels.team", "é"),
        ("metrics.dashboard.labels.a", "a/b"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused_by_its_key(path: str, value: object) -> None:
    with pytest.raises(helm_python.HelmValuesError) as refused:
        Rendered(_nested(path, value))

    assert f"at '/{path.replace('.', '/')}'" in str(refused.value)


@pytest.mark.parametrize("where", ["commonLabels", "podLabels"])
@pytest.mark.parametrize("label", ["", "a b", "a/b/c", "Upper.test/a", "-a", "a" * 64])
def test_keys_of_labels_are_refused_where_kubernetes_would(where: str, label: str) -> None:
    with pytest.raises(helm_python.HelmValuesError, match=f"at '/{where}'"):
        Rendered({where: {label: "x"}})
