"""Whole answers: each folder of tests/golden has a review, the state of the cluster, and the expected answer."""

import base64
import copy
import json
from pathlib import Path
from typing import Any

import jsonpatch
import pytest

from webhook.admission.container_credentials import parse_container_credentials
from webhook.admission.decision import REASONS, Decision, answer, decide
from webhook.admission.identity import Sources, known_account
from webhook.admission.mapping import parse_mapping
from webhook.admission.review import Review, parse
from webhook.admission.settings import Settings

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = sorted(folder.name for folder in GOLDEN.iterdir())

JSON = dict[str, Any]


def _read(case: str, name: str) -> JSON:
    document: JSON = json.loads((GOLDEN / case / name).read_text(encoding="utf-8"))
    return document


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
    review, decision = _decided(_read(case, "review.json"), _read(case, "given.json"))
    assert _answered(review, decision) == _read(case, "response.json")
    assert decision.reason == (GOLDEN / case / "reason.txt").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("case", CASES)
def test_a_second_run_on_the_patched_pod_adds_nothing_and_says_nothing_new(case: str) -> None:
    document, given = _read(case, "review.json"), _read(case, "given.json")
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
    reasons = {(GOLDEN / case / "reason.txt").read_text(encoding="utf-8").strip() for case in CASES}
    assert reasons == set(REASONS)
