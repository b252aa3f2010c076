"""Whatever the body is, it gets an answer or an error with one line."""

import copy
import json
from typing import Any, Final

import jsonpointer
from hypothesis import example, given
from hypothesis import strategies as st

from tests.admission.odd_pods import ACCOUNT, JSON, json_values
from tests.admission.small_review import small_review
from webhook.admission.decision import REASONS, answer, decide
from webhook.admission.identity import Sources
from webhook.admission.review import parse
from webhook.admission.settings import Settings
from webhook.errors import ReviewError

BODY: Final = json.dumps(
    small_review(
        {"metadata": {"name": "web", "labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "env": []}]}}
    )
).encode()


def _answers_or_refuses(body: bytes) -> None:
    """Checks that a body gets an answer with its uid, or a ReviewError, and nothing else."""
    try:
        review = parse(body)
    except ReviewError as error:
        text = str(error)
        assert text
        assert "\n" not in text
        return
    decision = decide(review, ACCOUNT, Sources(), Settings())
    document = json.loads(answer(review, decision))
    assert document["response"]["uid"] == review.uid
    assert document["response"]["allowed"] is decision.allowed
    assert decision.reason in REASONS


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_with_a_message(body: bytes) -> None:
    _answers_or_refuses(body)


@given(st.integers(0, len(BODY)), st.integers(0, 12), st.binary(max_size=6))
def test_a_damaged_review_is_answered_or_refused_with_a_message(start: int, length: int, junk: bytes) -> None:
    _answers_or_refuses(BODY[:start] + junk + BODY[start + length :])


FULL: Final[JSON] = small_review(
    {
        "kind": "Pod",
        "metadata": {
            "name": "web",
            "generateName": "web-",
            "namespace": "shop",
            "labels": {"a": "b"},
            "annotations": {"a": "b"},
        },
        "spec": {
            "serviceAccountName": "app",
            "serviceAccount": "app",
            "nodeSelector": {"a": "b"},
            "os": {"name": "linux"},
            "containers": [
                {
                    "name": "main",
                    "env": [{"name": "A", "value": "b"}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
            "initContainers": [{"name": "setup"}],
            "volumes": [
                {
                    "name": "aws-iam-token",
                    "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "x"}}]},
                }
            ],
        },
    },
    kind={"group": "", "kind": "Pod"},
    resource={"group": "", "resource": "pods"},
    subResource="",
    dryRun=False,
)


def _places(value: Any, pointer: str = "") -> list[str]:
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    below = [place for key, item in items for place in _places(item, f"{pointer}/{key}")]
    return [pointer, *below] if pointer else below


@given(st.sampled_from(_places(FULL)), json_values | st.text(max_size=20))
@example("/request/object/metadata/labels/a", 5)
@example("/request/object/spec/volumes/0/projected", None)
def test_any_json_where_we_read_is_answered_or_refused_with_a_message(place: str, value: Any) -> None:
    document = copy.deepcopy(FULL)
    jsonpointer.set_pointer(document, place, value)
    _answers_or_refuses(json.dumps(document).encode())


@given(st.sampled_from(_places(FULL)), json_values, st.booleans())
def test_a_duplicate_of_any_member_is_answered_or_refused_with_a_message(
    place: str, value: Any, comes_last: bool
) -> None:
    parent_place, _, key = place.rpartition("/")
    document = copy.deepcopy(FULL)
    parent = jsonpointer.resolve_pointer(document, parent_place)
    if isinstance(parent, list):
        return
    marked = {"DUPLICATE": value, **parent} if not comes_last else {**parent, "DUPLICATE": value}
    if parent_place:
        jsonpointer.set_pointer(document, parent_place, marked)
    else:
        document = marked
    _answers_or_refuses(json.dumps(document).replace('"DUPLICATE"', json.dumps(key)).encode())
