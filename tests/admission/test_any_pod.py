"""Properties of every pod: the patch only adds, a second run adds nothing, and the warnings have bounds."""

import base64
import copy
import json
from typing import Any

import jsonpatch
import jsonpointer
from hypothesis import example, given
from hypothesis import strategies as st

from tests.admission.odd_pods import ACCOUNT, JSON, all_settings, all_sources, pods
from tests.admission.small_review import small_review
from webhook.admission import decision as decision_module
from webhook.admission.decision import REASONS, Decision, answer, decide
from webhook.admission.identity import Sources, own_annotations
from webhook.admission.review import encode, parse
from webhook.admission.settings import Settings


def _decided(pod: JSON, sources: Sources, settings: Settings) -> tuple[Decision, list[JSON]]:
    """Returns the decision, and its patch as the API server gets it."""
    review = parse(json.dumps(small_review(pod)).encode())
    decision = decide(review, ACCOUNT, sources, settings)
    response = json.loads(answer(review, decision))["response"]
    return decision, json.loads(base64.b64decode(response["patch"])) if "patch" in response else []


def _survives(before: Any, after: Any) -> bool:
    """Whether `after` still has all of `before`: the patch may only add members and items, or replace nulls."""
    if before is None:
        return True
    if isinstance(before, dict):
        return isinstance(after, dict) and all(key in after and _survives(before[key], after[key]) for key in before)
    if isinstance(before, list):
        return isinstance(after, list) and len(before) <= len(after) and all(map(_survives, before, after))
    return type(before) is type(after) and bool(before == after)


def _containers(pod: JSON) -> list[JSON]:
    return [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]


@given(pods, all_sources, all_settings)
def test_the_patch_only_adds_and_creates_each_parent_first(pod: JSON, sources: Sources, settings: Settings) -> None:
    _, patch = _decided(pod, sources, settings)
    patched = copy.deepcopy(pod)
    for operation in patch:
        assert operation.keys() == {"op", "path", "value"}
        assert operation["op"] == "add"
        *parents, last = jsonpointer.JsonPointer(operation["path"]).parts
        parent = jsonpointer.JsonPointer.from_parts(parents).resolve(patched)
        if isinstance(parent, list):
            assert last == "-"
        else:
            assert isinstance(parent, dict)
            assert parent.get(last) is None
        patched = jsonpatch.apply_patch(patched, [operation])
    assert patched == jsonpatch.apply_patch(pod, patch)
    assert _survives(pod, patched)
    assert len(_containers(pod)) == len(_containers(patched))


@given(pods, all_sources, all_settings, st.text(min_size=1, max_size=9), st.sampled_from(["v1", "v1beta1"]))
@example({"spec": {"containers": [{"name": "main"}]}}, Sources(), Settings(), 'a"b\\c\u2028', "v1beta1")
def test_earlier_reviews_do_not_change_an_answer(
    pod: JSON, sources: Sources, settings: Settings, uid: str, version: str
) -> None:
    whole = {**small_review(pod, uid=uid), "apiVersion": f"admission.k8s.io/{version}"}
    review = parse(json.dumps(whole).encode())
    other = parse(json.dumps(small_review(pod, uid="other")).encode())

    def decided() -> bytes:
        decision = decide(review, ACCOUNT, sources, settings)
        # An answer built from the shared part must equal one that is encoded as a whole.
        assert answer(review, decision) == encode(review, decision_module._response(uid, decision))
        return answer(review, decision)

    decision_module._on_shape.cache_clear()
    cold = decided()
    answer(other, decide(other, ACCOUNT, sources, settings))
    assert decided() == cold


@given(pods, all_sources, all_settings)
def test_a_second_run_adds_nothing_and_says_nothing_new(pod: JSON, sources: Sources, settings: Settings) -> None:
    first, patch = _decided(pod, sources, settings)
    second, nothing = _decided(jsonpatch.apply_patch(pod, patch), sources, settings)
    assert nothing == []
    assert set(second.warnings) <= set(first.warnings)
    assert second.audit == first.audit
    assert second.allowed == first.allowed
    assert first.reason in REASONS


@given(pods, all_sources, all_settings)
def test_a_skipped_container_stays_unchanged_byte_for_byte(pod: JSON, sources: Sources, settings: Settings) -> None:
    ours = own_annotations((pod.get("metadata") or {}).get("annotations"), Settings())
    skip = {name.strip() for name in ours.get("skip-containers", "").split(",")} - {""}
    only = {name.strip() for name in ours.get("only-containers", "").split(",")} - {""}
    _, patch = _decided(pod, sources, settings)
    patched = jsonpatch.apply_patch(pod, patch)
    for before, after in zip(_containers(pod), _containers(patched), strict=True):
        if before["name"] in skip or (only and before["name"] not in only):
            assert json.dumps(after) == json.dumps(before)
    assert json.dumps(patched["spec"].get("ephemeralContainers")) == json.dumps(pod["spec"].get("ephemeralContainers"))


@given(pods, all_sources, all_settings)
def test_the_warnings_stay_within_the_api_servers_limits(pod: JSON, sources: Sources, settings: Settings) -> None:
    decision, _ = _decided(pod, sources, settings)
    _assert_bounded(decision.warnings)


def test_the_warnings_of_300_containers_with_long_names_fit_too() -> None:
    env = [{"name": "AWS_ROLE_ARN", "value": "own"}]
    pod = {
        "spec": {
            "serviceAccountName": "app",
            "containers": [{"name": f"ß{n}" + "é" * 60, "env": env} for n in range(300)],
        }
    }
    decision, _ = _decided(pod, Sources(), Settings())
    _assert_bounded(decision.warnings)
    assert len(decision.warnings) > 15
    assert decision.warnings[-1] == f"{300 - len(decision.warnings) + 1} more warnings of this kind left out"


def _assert_bounded(warnings: list[str]) -> None:
    assert all(0 < len(warning) <= 256 for warning in warnings)
    assert all(warning.isascii() and warning.isprintable() for warning in warnings)
    assert len("".join(warnings).encode()) < 4096
    assert len(set(warnings)) == len(warnings)
