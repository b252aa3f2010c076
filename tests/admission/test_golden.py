"""Whole answers: each case of tests/golden is a review, what was known when it came, and the answer it must get."""

import base64
import copy
import json
import os
from pathlib import Path
from typing import Any

import jsonpatch
import pytest

from tests.admission.golden_case import BASE, GOLDEN, JSON, GoldenCase, encoded, merged, shortest_patch
from webhook.admission.container_credentials import parse_container_credentials
from webhook.admission.decision import REASONS, Decision, answer, decide
from webhook.admission.identity import Sources, known_account
from webhook.admission.mapping import parse_mapping
from webhook.admission.review import Review, parse
from webhook.admission.settings import Settings

# The base comes first: an update writes it before the cases that share its files.
CASES = sorted((folder.name for folder in GOLDEN.iterdir()), key=lambda name: (name != BASE, name))


def _decided(review_document: JSON, given: JSON) -> tuple[Review, Decision]:
    review = parse(json.dumps(review_document).encode())
    settings = Settings(**given.get("settings", {}))
    account = None
    if given["serviceAccount"] is not None:
        annotations = given["serviceAccount"]["annotations"]
        account = known_account(review.namespace, review.service_account, annotations, settings)
    mapping, problems = parse_mapping(json.dumps(given.get("mapping", {})))
    assert problems == []
    credentials, _ = parse_container_credentials(json.dumps(given.get("containerCredentials", {})).encode())
    requires = given.get("namespaceRequires", False)
    sources = Sources(mapping, credentials)
    return review, decide(review, account, sources, settings, namespace_requires=requires)


def _answered(review: Review, decision: Decision) -> JSON:
    """Returns the answer with its patch decoded."""
    document: JSON = json.loads(answer(review, decision))
    patch = document["response"].get("patch")
    if patch is not None:
        decoded = base64.b64decode(patch, validate=True)
        assert base64.b64encode(decoded).decode() == patch
        document["response"]["patch"] = json.loads(decoded)
    return document


@pytest.mark.parametrize("case", CASES)
def test_a_review_gets_exactly_the_expected_answer(case: str) -> None:
    golden = GoldenCase(case)
    review, decision = _decided(golden.review, golden.given)
    answered = _answered(review, decision)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_answer(answered, decision.reason)
    assert answered == json.loads(golden.response)
    assert decision.reason == golden.reason.strip()


@pytest.mark.parametrize("case", CASES)
def test_a_second_run_on_the_patched_pod_adds_nothing_and_says_nothing_new(case: str) -> None:
    document, given = GoldenCase(case).review, GoldenCase(case).given
    review, first = _decided(document, given)
    patch = _answered(review, first)["response"].get("patch", [])
    again = copy.deepcopy(document)
    again["request"]["uid"] = "another-uid"
    if patch:
        again["request"]["object"] = jsonpatch.apply_patch(document["request"]["object"], patch)
    _, second = _decided(again, given)
    assert second.operations == []
    assert set(second.warnings) <= set(first.warnings)
    assert second.audit == first.audit
    assert second.allowed == first.allowed


def test_every_reason_has_a_case() -> None:
    assert {GoldenCase(case).reason.strip() for case in CASES} == set(REASONS)


def test_a_case_holds_only_what_differs_from_the_base() -> None:
    needless = [name for case in CASES for name in GoldenCase(case).needless_files()]
    assert needless == [], "UPDATE_GOLDEN=1 writes every file in its shortest form"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("review.json", {"request": {"uid": "1", "object": {"kind": "Pod"}}}),
        ("review.patch.json", {"request": {"uid": "1", "object": {"kind": "Pod"}}}),
        ("given.json", {}),
        ("given.patch.json", {}),
        ("response.json", {"allowed": True}),
        ("readme.txt", {}),
    ],
    ids=["whole review", "member of the base", "whole given", "empty patch", "answer of the base", "other file"],
)
def test_a_file_that_repeats_the_base_is_named_and_an_update_removes_it(
    tmp_path: Path, name: str, content: JSON
) -> None:
    pod = {"request": {"object": {"kind": "Pod"}}}
    files = {
        "base/review.json": {"request": {"uid": "1", "object": {"kind": "Node"}}},
        "base/given.json": {},
        "base/response.json": {"allowed": True},
        "base/reason.txt": "injected",
        **({} if name.startswith("review") else {"case/review.patch.json": pod}),
        f"case/{name}": content,
    }
    for path, document in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(document + "\n" if isinstance(document, str) else encoded(document))
    case = GoldenCase("case", tmp_path)

    assert case.needless_files() == [f"case/{name}"]
    case.write_answer({"allowed": True}, "injected")

    assert case.needless_files() == []
    assert [path.name for path in case.folder.iterdir()] == ["review.patch.json"]
    assert case.review == {"request": {"uid": "1", "object": {"kind": "Pod"}}}


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_are_those_of_appendix_a_of_rfc_7386(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result


def test_no_patch_makes_a_document_with_a_null_or_with_its_members_in_another_order() -> None:
    assert shortest_patch({"a": 1}, {"a": 1, "b": None}) is None
    assert shortest_patch({"a": 1, "b": 2}, {"b": 2, "a": 1}) is None
