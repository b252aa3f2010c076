"""The chart refuses keys that it does not have, and names the nearest one. Old keys of the other chart keep working."""

import re
from typing import Final

import helm_python
import pytest

from tests.charts.rendering import CHART, NAMESPACE, Rendered, Values

# Values with a wrong key, the key's path, and what the message says may be meant.
UNKNOWN: Final[dict[str, tuple[Values, str, str]]] = {
    "a word of the API": ({"replicas": 3}, "replicas", "replicaCount may be meant"),
    "one letter too many": (
        {"config": {"annotationsPrefix": "a"}},
        "config.annotationsPrefix",
        "config.annotationPrefix may be meant",
    ),
    "another case": ({"pki": {"certmanager": {}}}, "pki.certmanager", "pki.certManager may be meant"),
    "one letter too few": (
        {"metrics": {"serviceMonitor": {"enable": True}}},
        "metrics.serviceMonitor.enable",
        "metrics.serviceMonitor.enabled may be meant",
    ),
    "two letters exchanged, in a map of the API": (
        {"strategy": {"rollingUpdate": {"maxUnavailabel": 0}}},
        "strategy.rollingUpdate.maxUnavailabel",
        "strategy.rollingUpdate.maxUnavailable may be meant",
    ),
    "a selector": (
        {"mutatingWebhook": {"objectSelector": {"matchLabel": {}}}},
        "mutatingWebhook.objectSelector.matchLabel",
        "mutatingWebhook.objectSelector.matchLabels may be meant",
    ),
    "the beginning": ({"image": {"repo": "x"}}, "image.repo", "image.repository may be meant"),
    "the right name in the wrong place": (
        {"failurePolicy": "Fail"},
        "failurePolicy",
        "mutatingWebhook.failurePolicy may be meant",
    ),
    "a similar name in the wrong place": (
        {"tokenAudiance": "a"},
        "tokenAudiance",
        "config.tokenAudience may be meant",
    ),
    "nothing like it": (
        {"image": {"name": "x"}},
        "image.name",
        "image has digest, pullPolicy, registry, repository, tag",
    ),
    "nothing like it, at the top": ({"foo": 1}, "foo", "the table in its README has all of them"),
    "without a value": ({"replicas": None}, "replicas", "replicaCount may be meant"),
}


def _message(path: str, meant: str) -> str:
    return f"values: {path} is no value of this chart; {meant}"


@pytest.mark.parametrize("mistake", UNKNOWN)
def test_an_unknown_key_is_refused_with_the_nearest_name(mistake: str) -> None:
    values, path, meant = UNKNOWN[mistake]

    with pytest.raises(helm_python.HelmRenderError, match=re.escape(_message(path, meant)) + "$"):
        Rendered(values)


def test_lint_refuses_an_unknown_key_with_the_same_words() -> None:
    (message,) = helm_python.lint(CHART, {"replicas": 3}, strict=True, namespace=NAMESPACE)["messages"]

    assert _message("replicas", "replicaCount may be meant") in message["error"]


def test_lint_refuses_what_cannot_work() -> None:
    (message,) = helm_python.lint(CHART, {"fullnameOverride": "1st"}, strict=True, namespace=NAMESPACE)["messages"]

    assert "cannot be the name of a Service" in message["error"]


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (
            {"serviceAnnotations": {"a": "b"}},
            "serviceAnnotations still works, but is an old name. The new name is service",
        ),
        ({"cert-manager": {"enabled": False}}, "cert-manager has no effect"),
        ({"cert-manager": {"enabled": True, "installCRDs": True}}, "the new name is pki.certManager.enabled"),
    ],
)
def test_an_old_key_of_the_other_chart_is_accepted_and_the_notes_give_the_new_name(values: Values, note: str) -> None:
    assert note in Rendered(values).notes
    assert note not in Rendered().notes
