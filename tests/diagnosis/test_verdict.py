"""The verdict on a running pod: which pods are findings, of which kind, and for which reason."""

import json
from typing import Any

import pytest
from hypothesis import assume, given

from tests.admission.odd_pods import ACCOUNT, JSON, all_settings, all_sources, pods
from tests.admission.small_review import small_review
from tests.diagnosis.audited import (
    AFTER,
    OTHER,
    PREFIX,
    ROLE,
    Object,
    container,
    entry,
    injected,
    known,
    pod,
    renamed,
    verdict,
    with_container,
)
from webhook.admission.identity import Sources
from webhook.admission.mapping import parse_mapping
from webhook.admission.review import parse
from webhook.admission.settings import Settings
from webhook.cluster.dated_accounts import DatedAccount
from webhook.diagnosis.verdict import REQUIRE_PATH, Known, answer_to
from webhook.server import mutate_endpoint

SKIP = f"{PREFIX}/skip-pod-identity-webhook"
REQUIRE = f"{PREFIX}/require-pod-identity"
TOKEN_FILE = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
_LEGACY = [{"key": "team", "operator": "NotIn", "values": ["legacy"]}]
_MAPPED = Sources(parse_mapping(json.dumps({"shop/web": {"RoleARN": OTHER}}))[0])
_AGENT = Sources(container_credentials=frozenset({("shop", "web")}))

_MISSING: dict[str, tuple[Object, Known, str, bool]] = {
    "older than the annotation": (pod(), known(changed_at=AFTER), "older-than-role", True),
    "older than the configuration": (pod(), known(configured_at=AFTER), "older-than-webhook", True),
    "the webhook was away": (pod(), known(), "webhook-away", True),
    "a role from a mapping": (pod(), known(role=None, sources=_MAPPED), "not-told", True),
    "container credentials": (pod(), known(role=None, sources=_AGENT), "not-told", True),
    "nobody recorded when the role came": (pod(), known(is_recorded=False), "not-told", True),
    "skipped by its label": (pod(labels={SKIP: "true"}), known(), "skipped", False),
    "skipped by the Pod's annotation": (
        pod(annotations={f"{PREFIX}/skip-containers": "app"}),
        known(),
        "skipped",
        False,
    ),
    "skipped by the ServiceAccount's annotation": (pod(), known(skip_containers="app"), "skipped", False),
    "the namespace is exempt": (
        pod(),
        known(entries=[entry(namespaceSelector={"matchExpressions": _LEGACY})], namespace={"team": "legacy"}),
        "namespace-exempt",
        False,
    ),
    "not called because of its labels": (
        pod(labels={"team": "legacy"}),
        known(entries=[entry(objectSelector={"matchExpressions": _LEGACY})]),
        "not-called",
        False,
    ),
    "no rule covers pods": (pod(), known(entries=[entry(rules=[])]), "not-called", False),
    "it requires a role and there is none": (pod(labels={REQUIRE: "true"}), known(role=None), "refused", False),
    "its namespace requires identity, and static keys go first": (
        pod(containers=[container(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y")]),
        known(entries=[entry(clientConfig={"service": {"path": "/mutate/require"}})]),
        "refused",
        False,
    ),
    "only one container has its credentials": (
        with_container(injected(pod(), known()), {"name": "late"}),
        known(),
        "container-left-out",
        True,
    ),
}


@pytest.mark.parametrize("name", _MISSING)
def test_a_pod_without_the_credentials_that_it_would_get_is_missing_them(name: str) -> None:
    running, cluster, reason, heals = _MISSING[name]
    found = verdict(running, cluster)
    assert found is not None
    assert (found.kind, found.reason, found.heals) == ("missing", reason, heals)


_MOUNTS_OURS = {"name": "app", "volumeMounts": [{"name": "aws-iam-token", "mountPath": "/own"}]}
_FINE: dict[str, tuple[Object, Known, Object | None]] = {
    "no role": (pod(), known(role=None), None),
    "another ServiceAccount": (pod(serviceAccountName="other"), known(), None),
    "injected": (injected(pod(), known()), known(), None),
    "injected, though the webhook is not called now": (injected(pod(), known()), known(entries=[]), None),
    "injected with container credentials, whose expiration varies": (
        injected(pod(), known(sources=_AGENT)),
        known(sources=_AGENT),
        None,
    ),
    "injected with the pod's name as session, cut": (
        renamed(injected(pod(), known(role_session_name="pod-name")), "x" * 70),
        known(role_session_name="pod-name"),
        None,
    ),
    "a role that its template sets is its own": (
        injected(pod(containers=[container(AWS_ROLE_ARN=OTHER, AWS_WEB_IDENTITY_TOKEN_FILE=TOKEN_FILE)]), known()),
        known(),
        pod(containers=[container(AWS_ROLE_ARN=OTHER, AWS_WEB_IDENTITY_TOKEN_FILE=TOKEN_FILE)]),
    ),
    "half a preset of its template": (
        injected(pod(containers=[container(AWS_ROLE_ARN=OTHER)]), known()),
        known(),
        pod(containers=[container(AWS_ROLE_ARN=OTHER)]),
    ),
    "a mount of its own, elsewhere, of the webhook's volume": (
        injected(pod(containers=[_MOUNTS_OURS]), known(settings=Settings(token_mount_path="/aws"))),
        known(settings=Settings(token_mount_path="/aws")),
        pod(containers=[_MOUNTS_OURS]),
    ),
    "a region of its own": (
        injected(pod(containers=[container(AWS_REGION="eu-west-1")]), known()),
        known(settings=Settings(aws_default_region="us-east-1")),
        pod(containers=[container(AWS_REGION="eu-west-1")]),
    ),
    "web identity of its own without a template, where the webhook would set nothing": (
        injected(pod(), known()),
        known(role=None),
        None,
    ),
    "a skipped container beside an injected one": (
        injected(pod(containers=[{"name": "app"}, {"name": "proxy"}]), known(skip_containers="proxy")),
        known(skip_containers="proxy"),
        None,
    ),
    "it requires a role and has it": (injected(pod(labels={REQUIRE: "true"}), known()), known(), None),
}


@pytest.mark.parametrize("name", _FINE)
def test_a_pod_as_it_would_be_created_now_is_no_finding(name: str) -> None:
    running, cluster, template = _FINE[name]
    assert verdict(running, cluster, template) is None


_OWN = pod(containers=[container(AWS_ROLE_ARN=OTHER, AWS_WEB_IDENTITY_TOKEN_FILE=TOKEN_FILE)])
_CHANGED: dict[str, tuple[Known, Known, dict[str, tuple[str, str]]]] = {
    "role": (known(), known(role=OTHER), {"role": (ROLE, OTHER)}),
    "audience": (known(), known(audience="other"), {"audience": ("sts.amazonaws.com", "other")}),
    "session": (known(role_session_name="a1"), known(role_session_name="b2"), {"session name": ("a1", "b2")}),
    "session added": (known(), known(role_session_name="b2"), {"session name": ("", "b2")}),
    "session of the pod's name": (
        known(),
        known(role_session_name="pod-name"),
        {"session name": ("", "web-1")},
    ),
    "expiration": (known(), known(token_expiration="900"), {"token expiration": ("86400 s", "900 s")}),
    "mount path": (
        known(),
        known(settings=Settings(token_mount_path="/aws")),
        {"token file": (TOKEN_FILE, "/aws/token")},
    ),
    "region": (
        known(settings=Settings(aws_default_region="eu-west-1")),
        known(settings=Settings(aws_default_region="us-east-1")),
        {"region": ("eu-west-1", "us-east-1"), "default region": ("eu-west-1", "us-east-1")},
    ),
    "role taken away": (
        known(),
        known(role=None),
        {
            "role": (ROLE, ""),
            "token file": (TOKEN_FILE, ""),
            "audience": ("sts.amazonaws.com", ""),
            "token expiration": ("86400 s", ""),
        },
    ),
}


@pytest.mark.parametrize("name", _CHANGED)
@pytest.mark.parametrize(("changed_at", "reason"), [(AFTER, "older-than-role"), ("", "settings-changed")])
def test_a_pod_with_values_of_the_past_is_changed(name: str, changed_at: str, reason: str) -> None:
    then, now, differences = _CHANGED[name]
    account = now.accounts["shop", "web"].account
    now = Known(now.settings, now.sources, {("shop", "web"): DatedAccount(account, changed_at)})
    found = verdict(injected(pod(), then), now, pod())
    assert found is not None
    assert (found.kind, found.reason, found.heals) == ("changed", reason, True)
    assert {each.what: (each.has, each.would_have) for each in found.differences} == differences


def test_without_a_template_a_changed_role_is_reported_with_a_doubt() -> None:
    found = verdict(injected(pod(), known()), known(role=OTHER))
    assert found is not None
    assert (found.kind, found.role) == ("changed", OTHER)
    assert found.doubts == ("its author may have set these values: there is no template to compare with",)


def test_conditions_that_are_not_evaluated_are_a_doubt() -> None:
    found = verdict(pod(), known(entries=[entry(matchConditions=[{"name": "not-mine"}])]))
    assert found is not None
    assert found.doubts == ("the API server may not ask: matchConditions not-mine are not evaluated here",)
    assert (found.reason, found.why) == (
        "not-told",
        "the webhook did not answer when the pod was created, or matchConditions not-mine are not true",
    )


@given(pods, all_sources, all_settings)
def test_a_pod_as_the_webhook_patched_it_is_never_a_finding(made: JSON, sources: Sources, settings: Settings) -> None:
    made = {**made, "metadata": {**(made.get("metadata") or {}), "namespace": "shop", "name": "web-1"}}
    assume(_is_storable(made))
    cluster = Known(settings, sources, {(ACCOUNT.namespace, ACCOUNT.name): DatedAccount(ACCOUNT)})
    answer = answer_to(json.loads(json.dumps(made)), cluster, requires=False)
    assume(answer.allowed and not answer.error and answer.reason not in {"all_containers_skipped", "skip_label"})
    assert answer.after is not None
    assert verdict(answer.after, cluster, made) is None


def _is_storable(made: JSON) -> bool:
    """Whether the API server could store the pod: names are unique, and references are objects."""
    spec = made["spec"]
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]

    def unique(objects: list[Any] | None) -> bool:
        names = [each["name"] for each in objects or []]
        return len(set(names)) == len(names)

    variables = [variable for each in containers for variable in each.get("env") or []]
    return (
        unique(containers)
        and unique(spec.get("volumes"))
        and all(unique(each.get("env")) for each in containers)
        and all(isinstance(variable.get("valueFrom"), dict | None) for variable in variables)
        and parse(json.dumps(small_review(made)).encode()).pod is not None
    )


def test_the_path_that_requires_identity_is_the_one_that_the_webhook_serves() -> None:
    assert REQUIRE_PATH == mutate_endpoint.REQUIRE_PATH
