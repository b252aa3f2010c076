"""The members of a review and of its pod: how a wrong, missing or null one is located."""

import json
from typing import Any, Final

import jsonpointer
import pytest

from tests.admission.whole_review import error_of, parsed, whole_review
from webhook.admission.review import parse


def test_a_review_of_a_pod_is_parsed() -> None:
    review = parsed(whole_review())
    assert (review.uid, review.api_version, review.namespace, review.service_account) == (
        "1",
        "admission.k8s.io/v1",
        "shop",
        "app",
    )
    assert review.pod is not None
    assert (review.dry_run, review.not_ours, review.invalid) == (False, "", "")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("apiVersion", "str | null"),
        ("kind", "str | null"),
        ("request", "object"),
        ("request.uid", "str"),
        ("request.kind", "object | null"),
        ("request.kind.group", "str | null"),
        ("request.kind.kind", "str | null"),
        ("request.resource", "object | null"),
        ("request.resource.group", "str | null"),
        ("request.resource.resource", "str | null"),
        ("request.subResource", "str | null"),
        ("request.namespace", "str | null"),
        ("request.operation", "str | null"),
        ("request.dryRun", "bool | null"),
    ],
)
def test_a_member_of_the_review_of_a_wrong_type_is_named(path: str, expected: str) -> None:
    document = whole_review()
    jsonpointer.set_pointer(document, "/" + path.replace(".", "/"), 1.5)
    assert error_of(json.dumps(document).encode()) == f"not an AdmissionReview: {path}: expected {expected}, got float"


PLACES: Final = [
    ("", "object", "object | null"),
    ("/kind", "kind", "str | null"),
    ("/metadata", "metadata", "object | null"),
    ("/metadata/name", "metadata.name", "str | null"),
    ("/metadata/generateName", "metadata.generateName", "str | null"),
    ("/metadata/namespace", "metadata.namespace", "str | null"),
    ("/metadata/labels", "metadata.labels", "object | null"),
    ("/metadata/labels/a~1b", "metadata.labels[a/b]", "str"),
    ("/metadata/annotations", "metadata.annotations", "object | null"),
    ("/metadata/annotations/a.b~1c", "metadata.annotations[a.b/c]", "str"),
    ("/spec", "spec", "object"),
    ("/spec/serviceAccountName", "spec.serviceAccountName", "str | null"),
    ("/spec/serviceAccount", "spec.serviceAccount", "str | null"),
    ("/spec/nodeSelector", "spec.nodeSelector", "object | null"),
    ("/spec/nodeSelector/disk", "spec.nodeSelector[disk]", "str"),
    ("/spec/os", "spec.os", "object | null"),
    ("/spec/os/name", "spec.os.name", "str | null"),
    ("/spec/containers", "spec.containers", "array | null"),
    ("/spec/containers/0", "spec.containers[0]", "object"),
    ("/spec/containers/0/name", "spec.containers[0].name", "str"),
    ("/spec/containers/1/env", "spec.containers[1].env", "array | null"),
    ("/spec/containers/1/env/0", "spec.containers[1].env[0]", "object"),
    ("/spec/containers/1/env/0/name", "spec.containers[1].env[0].name", "str"),
    ("/spec/containers/1/env/1/value", "spec.containers[1].env[1].value", "str | null"),
    ("/spec/initContainers", "spec.initContainers", "array | null"),
    ("/spec/initContainers/0", "spec.initContainers[0]", "object"),
    ("/spec/initContainers/0/volumeMounts", "spec.initContainers[0].volumeMounts", "array | null"),
    ("/spec/initContainers/0/volumeMounts/0", "spec.initContainers[0].volumeMounts[0]", "object"),
    ("/spec/initContainers/0/volumeMounts/0/name", "spec.initContainers[0].volumeMounts[0].name", "str"),
    ("/spec/initContainers/0/volumeMounts/0/mountPath", "spec.initContainers[0].volumeMounts[0].mountPath", "str"),
    ("/spec/volumes", "spec.volumes", "array | null"),
    ("/spec/volumes/0", "spec.volumes[0]", "object"),
    ("/spec/volumes/0/name", "spec.volumes[0].name", "str"),
    ("/spec/volumes/0/projected", "spec.volumes[0].projected", "object | null"),
    ("/spec/volumes/0/projected/sources", "spec.volumes[0].projected.sources", "array | null"),
    ("/spec/volumes/0/projected/sources/0", "spec.volumes[0].projected.sources[0]", "object"),
    (
        "/spec/volumes/0/projected/sources/0/serviceAccountToken",
        "spec.volumes[0].projected.sources[0].serviceAccountToken",
        "object | null",
    ),
    (
        "/spec/volumes/0/projected/sources/0/serviceAccountToken/path",
        "spec.volumes[0].projected.sources[0].serviceAccountToken.path",
        "str | null",
    ),
    (
        "/spec/volumes/0/projected/sources/0/serviceAccountToken/audience",
        "spec.volumes[0].projected.sources[0].serviceAccountToken.audience",
        "str | null",
    ),
]


@pytest.mark.parametrize("wrong", [1.5, True], ids=["float", "bool"])
@pytest.mark.parametrize(("pointer", "path", "expected"), PLACES, ids=[path for _, path, _ in PLACES])
def test_a_member_of_the_pod_of_a_wrong_type_is_named(pointer: str, path: str, expected: str, wrong: Any) -> None:
    document = whole_review()
    jsonpointer.set_pointer(document, f"/request/object{pointer}", wrong)
    review = parsed(document)
    assert review.pod is None
    assert review.uid == "1"
    assert review.invalid == f"{path}: expected {expected}, got {type(wrong).__name__}"


@pytest.mark.parametrize(
    ("pointer", "path"),
    [
        ("/spec", "spec"),
        ("/spec/containers/1/name", "spec.containers[1].name"),
        ("/spec/containers/1/env/0/name", "spec.containers[1].env[0].name"),
        ("/spec/initContainers/0/volumeMounts/0/name", "spec.initContainers[0].volumeMounts[0].name"),
        ("/spec/volumes/0/name", "spec.volumes[0].name"),
    ],
)
def test_a_missing_member_of_the_pod_is_named(pointer: str, path: str) -> None:
    document = whole_review()
    parent, _, member = f"/request/object{pointer}".rpartition("/")
    del jsonpointer.resolve_pointer(document, parent)[member]
    assert parsed(document).invalid == f"{path}: missing"


@pytest.mark.parametrize(
    "pointer",
    [
        "/metadata",
        "/metadata/name",
        "/metadata/labels",
        "/metadata/annotations",
        "/spec/serviceAccountName",
        "/spec/nodeSelector",
        "/spec/os",
        "/spec/os/name",
        "/spec/initContainers",
        "/spec/containers/1/env",
        "/spec/containers/1/env/1/value",
        "/spec/initContainers/0/volumeMounts",
        "/spec/volumes",
        "/spec/volumes/0/projected",
        "/spec/volumes/0/projected/sources",
    ],
)
def test_a_member_that_may_be_absent_may_be_null(pointer: str) -> None:
    document = whole_review()
    jsonpointer.set_pointer(document, f"/request/object{pointer}", None)
    assert parsed(document).invalid == ""


def test_of_several_wrong_labels_one_that_is_wrong_is_named() -> None:
    labels = {"fine": "x", "[...]": "x", "bad\nkey": 1}
    document = whole_review({"metadata": {"labels": labels}, "spec": {}})
    assert parsed(document).invalid == "metadata.labels[bad\\x0akey]: expected str, got int"


@pytest.mark.parametrize("last", ["null", "5", "[]", "{}", '{"labels": null}', '{"labels": {"a": "b"}}'])
def test_a_wrong_label_below_a_duplicate_member_is_located_as_far_as_possible(last: str) -> None:
    body = json.dumps(whole_review({"metadata": {"labels": {"a": 1}}, "spec": {}})).encode()
    body = body.replace(b', "spec"', f', "metadata": {last}, "spec"'.encode())
    assert parse(body).invalid == "metadata.labels[...]: expected str, got int"


def test_the_content_of_a_request_that_is_not_for_us_is_not_checked() -> None:
    document = whole_review({"spec": 5, "metadata": []})
    document["request"]["operation"] = "UPDATE"
    document["request"]["namespace"] = "No Namespace"
    review = parsed(document)
    assert (review.not_ours, review.invalid, review.pod) == ("not_create", "", None)
