"""Decisions, apart from their answers: when they need the ServiceAccount, their explanations, and the jitter."""

import importlib
import json
import pkgutil
import sys
from typing import Any

import pytest

from webhook import admission
from webhook.admission import decision as decision_module
from webhook.admission.decision import decide, needs_account
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.jsonpatch import document
from webhook.admission.mapping import parse_mapping
from webhook.admission.review import Review, parse
from webhook.admission.settings import Settings

ACCOUNT = ServiceAccount("shop", "app", {"role-arn": "arn:aws:iam::111122223333:role/app"})


def _review(uid: str = "1", labels: dict[str, str] | None = None, **request: Any) -> Review:
    pod = {"metadata": {"labels": labels}, "spec": {"serviceAccountName": "app", "containers": [{"name": "main"}]}}
    members = {
        "uid": uid,
        "kind": {"kind": "Pod"},
        "operation": "CREATE",
        "namespace": "shop",
        "object": pod,
        **request,
    }
    return parse(json.dumps({"request": members}).encode())


@pytest.mark.parametrize(
    ("review", "needed"),
    [
        (_review(), True),
        (_review(labels={"eks.amazonaws.com/require-pod-identity": "true"}), True),
        (_review(labels={"eks.amazonaws.com/skip-pod-identity-webhook": "x"}), False),
        (_review(operation="UPDATE"), False),
        (_review(subResource="exec"), False),
        (_review(kind={"kind": "Node"}), False),
        (_review(object={}), False),
        (_review(namespace="../secrets"), False),
    ],
)
def test_the_service_account_is_needed_for_a_pod_that_may_get_credentials(review: Review, needed: bool) -> None:
    assert needs_account(review, Settings()) is needed


@pytest.mark.parametrize(
    ("labels", "account", "reason", "why"),
    [
        (
            {"eks.amazonaws.com/skip-pod-identity-webhook": ""},
            ACCOUNT,
            "skip_label",
            "its label eks.amazonaws.com/skip-pod-identity-webhook keeps the webhook away",
        ),
        (None, None, "service_account_not_found", "ServiceAccount shop/app not found"),
        (
            None,
            ServiceAccount("shop", "app"),
            "no_role",
            "ServiceAccount shop/app has no eks.amazonaws.com/role-arn annotation",
        ),
        (
            None,
            ServiceAccount("shop", "app", {"role-arn": "x"}),
            "invalid_role_arn",
            'annotation eks.amazonaws.com/role-arn: "x" is not a role ARN',
        ),
        (None, ACCOUNT, "injected", ""),
    ],
)
def test_a_decision_says_why(
    labels: dict[str, str] | None, account: ServiceAccount | None, reason: str, why: str
) -> None:
    decision = decide(_review(labels=labels), account, Sources(), Settings(invalid_role_arn="skip"))
    assert (decision.reason, decision.why) == (reason, why)


@pytest.mark.parametrize(
    ("sources", "method"),
    [
        (Sources(), "sts_web_identity"),
        (Sources(container_credentials=frozenset({("shop", "app")})), "container_credentials"),
    ],
)
def test_the_method_is_named_if_an_identity_was_found(sources: Sources, method: str) -> None:
    assert decide(_review(), ACCOUNT, sources, Settings()).method == method
    assert decide(_review(operation="UPDATE"), ACCOUNT, sources, Settings()).method is None


def test_no_identity_has_no_method() -> None:
    assert decide(_review(), None, Sources(), Settings()).method is None


def test_a_default_expiration_of_container_credentials_is_spread_between_79200_and_86400_seconds() -> None:
    sources = Sources(container_credentials=frozenset({("shop", "app")}))
    seconds = []
    for uid in range(2000):
        operations = json.loads(document(decide(_review(str(uid)), ACCOUNT, sources, Settings()).operations))
        (volume,) = next(operation["value"] for operation in operations if operation["path"] == "/spec/volumes")
        seconds.append(volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"])
    assert 79200 <= min(seconds) < 79300
    assert 86300 < max(seconds) <= 86400
    assert len(set(seconds)) > 1000


def test_a_review_that_is_decided_again_gets_the_same_expiration() -> None:
    sources = Sources(container_credentials=frozenset({("shop", "app")}))
    first, second = (decide(_review("7"), ACCOUNT, sources, Settings()).operations for _ in range(2))
    assert first == second


def test_a_pod_whose_patch_is_too_large_to_store_is_refused_before_the_patch_is_built() -> None:
    containers = [{"name": "a"}] * 20_000
    pod = {"spec": {"serviceAccountName": "app", "containers": containers}}

    decision = decide(_review(object=pod), ACCOUNT, Sources(), Settings())

    assert (decision.reason, decision.code, decision.operations) == ("invalid_pod", 400, [])
    assert decision.denied.startswith("spec.containers: 20000 need a patch of more than ")


def test_the_cache_of_decisions_is_the_only_one_of_the_room() -> None:
    modules = [
        importlib.import_module(f"{admission.__name__}.{one.name}") for one in pkgutil.iter_modules(admission.__path__)
    ]
    functions = {value for module in modules for value in vars(module).values() if hasattr(value, "cache_info")}
    assert functions == {decision_module._on_shape}


def test_the_cache_is_bounded_whatever_annotations_say() -> None:
    for number in range(20):
        role = f"arn:aws:iam::111122223333:role/{number:02}{'y' * 100_000}"
        large = ServiceAccount("shop", "app", {"role-arn": role})
        before = decision_module._on_shape.cache_info().currsize
        decide(_review(), large, Sources(), Settings())
        assert decision_module._on_shape.cache_info().currsize == before


def _pod_of(count: int, **annotations: str) -> dict[str, Any]:
    containers = [{"name": f"c{number}"} for number in range(count)]
    return {"metadata": {"annotations": annotations}, "spec": {"serviceAccountName": "app", "containers": containers}}


@pytest.mark.parametrize(
    "pod", [_pod_of(17), _pod_of(1, **{"eks.amazonaws.com/role-session-name": "pod-name"})], ids=["large", "annotated"]
)
def test_only_small_pods_without_our_annotations_share_decisions(pod: dict[str, Any]) -> None:
    shared = decision_module._on_shape.cache_info().currsize
    decision = decide(_review(object=pod), ACCOUNT, Sources(), Settings())
    assert (decision.reason, decision.encoded) == ("injected", b"")
    assert decision_module._on_shape.cache_info().currsize == shared


def test_no_large_answer_is_cached() -> None:
    encoded = [decide(_review(object=_pod_of(count)), ACCOUNT, Sources(), Settings()).encoded for count in (1, 16)]
    assert [bool(answer) for answer in encoded] == [True, False]


def test_a_mapping_that_is_no_longer_in_force_is_freed() -> None:
    mapping, _ = parse_mapping(json.dumps({"shop/app": {"RoleARN": "arn:aws:iam::111122223333:role/app"}}))
    decide(_review(), None, Sources(mapping), Settings())
    kept = sys.getrefcount(mapping)
    decide(_review(), None, Sources(mapping), Settings())

    assert sys.getrefcount(mapping) == kept == 2


@pytest.mark.parametrize("role_arn", ["a\0b", "a\\u0000b", '{"op":"add","path":"b', "a</spec>b"])
def test_a_role_arn_reaches_the_pod_unchanged(role_arn: str) -> None:
    account = ServiceAccount("shop", "app", {"role-arn": role_arn})

    patch = json.loads(document(decide(_review(object=_pod_of(2)), account, Sources(), Settings()).operations))

    variables = [operation["value"] for operation in patch if operation["path"].endswith("/env")]
    assert [each["value"] for value in variables for each in value if each["name"] == "AWS_ROLE_ARN"] == [role_arn] * 2
