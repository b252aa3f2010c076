from typing import Any

import pytest

from tests.diagnosis.doctor.objects import (
    BY_NAMESPACE,
    ENTRIES,
    LABEL,
    NAME,
    PLAIN,
    REQUIRED,
    configuration,
    entry,
    installation,
)
from webhook.cluster.namespaces import Namespace
from webhook.diagnosis.doctor.facts import Installation
from webhook.diagnosis.doctor.read import Read
from webhook.diagnosis.doctor.registration import (
    called_step,
    configuration_step,
    entries_step,
    namespaces_step,
    other_webhooks_step,
)

_ELSEWHERE = {"service": {"namespace": "system", "name": "other", "path": "/mutate"}}
_FORBIDDEN = "get mutatingwebhookconfigurations: 403 (grant …)"


def _with(*entries: dict[str, Any], **changes: Any) -> Installation:
    return installation(configuration=Read(configuration(*entries)), **changes)


@pytest.mark.parametrize(
    ("facts", "status", "found"),
    [
        pytest.param(
            installation(),
            "ok",
            f"3 entries of MutatingWebhookConfiguration {NAME}, to Service system/{NAME}, "
            "failurePolicy Fail and Ignore, timeout 5 s",
            id="healthy",
        ),
        pytest.param(
            installation(configuration=Read(None, _FORBIDDEN)), "unknown", _FORBIDDEN, id="no right to read it"
        ),
        pytest.param(
            installation(configuration=Read()),
            "failed",
            f"MutatingWebhookConfiguration {NAME} does not exist: the API server does not call the webhook",
            id="missing",
        ),
        pytest.param(_with(), "failed", f"MutatingWebhookConfiguration {NAME} has no entry", id="no entries"),
        pytest.param(
            _with(entry("plain", "/")),
            "failed",
            f"MutatingWebhookConfiguration {NAME} calls the path /, which the webhook does not serve",
            id="a wrong path",
        ),
        pytest.param(
            installation(service_object=Read()),
            "failed",
            f"MutatingWebhookConfiguration {NAME} calls the Service system/{NAME}, which does not exist",
            id="no Service",
        ),
        pytest.param(
            _with(PLAIN, entry("stray", clientConfig=_ELSEWHERE)),
            "failed",
            f"MutatingWebhookConfiguration {NAME} has entries that call another Service than system/{NAME}: stray",
            id="an entry that calls another Service",
        ),
        pytest.param(
            installation(lookup_seconds=4.9),
            "ok",
            f"3 entries of MutatingWebhookConfiguration {NAME}, to Service system/{NAME}, "
            "failurePolicy Fail and Ignore, timeout 5 s",
            id="a lookup that ends before the timeout",
        ),
        pytest.param(
            _with(PLAIN, entry("hasty", timeoutSeconds=1), lookup_seconds=1.0),
            "failed",
            "the API server waits 1 s (timeoutSeconds), and the webhook 1 s for a ServiceAccount that it does not know "
            "yet",
            id="a timeout as short as the lookup",
        ),
    ],
)
def test_the_configuration(facts: Installation, status: str, found: str) -> None:
    step = configuration_step(facts)

    assert (step.status, step.found) == (status, found)


@pytest.mark.parametrize(
    ("entries", "lacking"),
    [
        pytest.param(ENTRIES, "", id="all"),
        pytest.param((REQUIRED, BY_NAMESPACE), "for pods without labels", id="none for plain pods"),
        pytest.param(
            (PLAIN, BY_NAMESPACE), f"with failurePolicy Fail for pods with the label {LABEL}", id="none that requires"
        ),
        pytest.param(
            (PLAIN, {**REQUIRED, "failurePolicy": "Ignore"}, BY_NAMESPACE),
            f"with failurePolicy Fail for pods with the label {LABEL}",
            id="the one that requires fails open",
        ),
        pytest.param(
            (PLAIN, REQUIRED),
            f"with failurePolicy Fail for namespaces with the label {LABEL}",
            id="none for namespaces",
        ),
    ],
)
def test_the_entries(entries: tuple[dict[str, Any], ...], lacking: str) -> None:
    step = entries_step(_with(*entries))

    said = f"MutatingWebhookConfiguration {NAME} has no entry {lacking}"
    assert (step.status, step.found) == (
        ("failed", said)
        if lacking
        else ("ok", "for pods without labels, pods that require a role, and namespaces that do")
    )


_CONDITIONAL = tuple({**one, "matchConditions": [{"name": "not-mine", "expression": "true"}]} for one in ENTRIES)
_ONLY_IF = "but only if matchConditions not-mine are true, which is not evaluated here"


def test_with_match_conditions_nothing_says_that_the_api_server_calls() -> None:
    facts, namespace = _with(*_CONDITIONAL), Namespace({})

    steps = [
        entries_step(facts),
        namespaces_step(facts, Read({"shop": namespace})),
        called_step(facts, Read(namespace), "shop", {}),
    ]

    assert [(step.status, step.found, step.next) for step in steps] == [
        ("unknown", f"{found}, {_ONLY_IF}", "the step of the dry run shows what the API server does")
        for found in (
            "for pods without labels, pods that require a role, and namespaces that do",
            "in the namespace with such a ServiceAccount",
            "by plain",
        )
    ]


def test_a_namespace_with_an_entry_without_conditions_is_certain() -> None:
    step = namespaces_step(_with(*_CONDITIONAL, entry("always")), Read({"shop": Namespace({})}))

    assert (step.status, step.found) == ("ok", "in the namespace with such a ServiceAccount")


_OPT_IN = tuple({**one, "namespaceSelector": {"matchLabels": {"injection": "on"}}} for one in ENTRIES)
_WHY = (
    "namespaceSelector of namespace shop: it wants the label injection=on, but there is no such label, in entry plain"
)


def test_a_namespace_with_a_role_that_no_entry_selects_is_named() -> None:
    namespaces = {"shop": Namespace({}), "on": Namespace({"injection": "on"})}

    step = namespaces_step(_with(*_OPT_IN), Read(namespaces))

    assert (step.status, step.found) == ("failed", f"not for pods in shop: {_WHY}")


@pytest.mark.parametrize(
    ("namespace", "labels", "status", "found"),
    [
        pytest.param(Read(Namespace({"injection": "on"})), {}, "ok", "by plain, by-namespace", id="selected"),
        pytest.param(Read(Namespace({})), {}, "failed", f"it does not: {_WHY}", id="excluded by the namespace"),
        pytest.param(Read(), {}, "failed", "there is no namespace shop", id="no such namespace"),
        pytest.param(
            Read(None, "403"),
            {},
            "unknown",
            "by plain, by-namespace, but namespaceSelectors were not compared: 403",
            id="no right",
        ),
    ],
)
def test_whether_the_api_server_calls(
    namespace: Read[Namespace], labels: dict[str, str], status: str, found: str
) -> None:
    step = called_step(_with(*_OPT_IN), namespace, "shop", labels)

    assert (step.status, step.found) == (status, found)


def test_a_label_that_excludes_the_pod_is_one_to_remove_whatever_its_value() -> None:
    unlabelled = {"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]}

    step = called_step(_with(entry("plain", objectSelector=unlabelled)), Read(Namespace({})), "shop", {"skip": "false"})

    assert (step.found, step.next) == (
        "it does not: objectSelector of the pod: it wants no label skip, but there is one: 'false', in entry plain",
        "take that label off the pod, in its owner's template or its manifest, and create the pod again",
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param(
            {"namespaceSelector": {"matchLabels": {"injection": "on"}}}, "label the namespace", id="namespace"
        ),
        pytest.param({"objectSelector": {"matchLabels": {"injection": "on"}}}, "label the pod", id="pod"),
        pytest.param({"rules": []}, "run helm upgrade", id="rules"),
    ],
)
def test_what_to_do_names_what_excludes_the_pod(changes: dict[str, Any], words: str) -> None:
    facts = _with(entry("plain", **changes))

    assert called_step(facts, Read(Namespace({})), "shop", {}).next.startswith(words)


_AGAIN = "later come z-mesh; the API server calls ours again after them"


@pytest.mark.parametrize(
    ("name", "policy", "status", "found"),
    [
        pytest.param("a-mesh", "Never", "ok", "no webhook for pods comes later", id="it comes before"),
        pytest.param("z-mesh", "IfNeeded", "ok", _AGAIN, id="later"),
        pytest.param(
            "z-mesh",
            "Never",
            "failed",
            "z-mesh may add containers later, and plain has reinvocationPolicy Never",
            id="later, and ours is not called again",
        ),
    ],
)
def test_other_webhooks(name: str, policy: str, status: str, found: str) -> None:
    ours = configuration({**PLAIN, "reinvocationPolicy": policy})
    other = configuration(entry("mesh", clientConfig=_ELSEWHERE), name=name)

    step = other_webhooks_step(installation(configuration=Read(ours), configurations=Read([other, ours])))

    assert (step.status, step.found) == (status, found)


def test_without_the_configuration_nothing_is_said_about_its_entries() -> None:
    facts = installation(configuration=Read(None, _FORBIDDEN))

    steps = (entries_step(facts), namespaces_step(facts, Read({})), other_webhooks_step(facts))

    assert {(step.status, step.found) for step in steps} == {
        ("skipped", "the MutatingWebhookConfiguration could not be read")
    }
