"""Parsing bodies into reviews: which bodies are refused, with which message, and how errors in a pod are located."""

import bisect
import copy
import json
import re
from typing import Any, Final

import jsonpointer
import pytest

from webhook.admission.decision import decide
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.review import Review, parse
from webhook.admission.settings import Settings
from webhook.errors import ReviewError

POD: Final = {
    "kind": "Pod",
    "metadata": {
        "name": "web",
        "generateName": "web-",
        "namespace": "shop",
        "labels": {"a/b": "c"},
        "annotations": {"a.b/c": "d"},
    },
    "spec": {
        "serviceAccountName": "app",
        "serviceAccount": "app",
        "nodeSelector": {"disk": "ssd"},
        "os": {"name": "linux"},
        "containers": [{"name": "main"}, {"name": "proxy", "env": [{"name": "A"}, {"name": "B", "value": "c"}]}],
        "initContainers": [{"name": "setup", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        "volumes": [
            {
                "name": "token",
                "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "x"}}]},
            }
        ],
    },
}


def _document(pod: Any = POD) -> dict[str, Any]:
    request = {
        "uid": "1",
        "kind": {"group": "", "kind": "Pod"},
        "resource": {"group": "", "resource": "pods"},
        "subResource": "",
        "namespace": "shop",
        "operation": "CREATE",
        "dryRun": False,
        "object": copy.deepcopy(pod),
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def _parsed(document: Any) -> Review:
    return parse(json.dumps(document).encode())


def _error(body: bytes) -> str:
    with pytest.raises(ReviewError) as caught:
        parse(body)
    return str(caught.value)


def _nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def test_a_review_of_a_pod_is_parsed() -> None:
    review = _parsed(_document())
    assert (review.uid, review.api_version, review.namespace, review.service_account) == (
        "1",
        "admission.k8s.io/v1",
        "shop",
        "app",
    )
    assert review.pod is not None
    assert (review.dry_run, review.not_ours, review.invalid) == (False, "", "")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not JSON: Input data was truncated"),
        (b"  ", "the body is not JSON: Input data was truncated"),
        (b"{", "the body is not JSON: Input data was truncated"),
        (b"apiVersion: v1", "the body is not JSON: JSON is malformed: invalid character"),
        (b"\xef\xbb\xbf{}", "the body is not JSON: JSON is malformed: invalid character"),
        (
            "{}".encode("utf-16"),
            "the body is not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
        (
            b'{"request": {"uid": "1"}} {}',
            "the body is not JSON: JSON is malformed: trailing characters",
        ),
        (b"null", "not an AdmissionReview: expected object, got null"),
        (b"[]", "not an AdmissionReview: expected object, got array"),
        (b'"AdmissionReview"', "not an AdmissionReview: expected object, got str"),
        (b"5", "not an AdmissionReview: expected object, got int"),
        (b"{}", "not an AdmissionReview: request: missing"),
        (b'{"request": null}', "not an AdmissionReview: request: expected object, got null"),
        (b'{"request": {}}', "not an AdmissionReview: request.uid: missing"),
        (b'{"request": {"uid": ""}}', "not an AdmissionReview: request.uid is empty"),
        (
            b'{"request": {"uid": "%b"}}' % (b"u" * 254),
            "not an AdmissionReview: request.uid is longer than 253 characters",
        ),
        (b'{"request": {"uid": null}}', "not an AdmissionReview: request.uid: expected str, got null"),
        (
            b'{"kind": "Pod", "request": {"uid": "1"}}',
            'not an AdmissionReview: kind is "Pod"',
        ),
        (
            b'{"apiVersion": "admission.k8s.io/v2", "request": {"uid": "1"}}',
            'not an AdmissionReview that we know: apiVersion is "admission.k8s.io/v2"',
        ),
        (
            b'{"kind": "Review\\n", "request": {"uid": "1"}}',
            'not an AdmissionReview: kind is "Review\\x0a"',
        ),
    ],
)
def test_a_body_that_is_no_review_is_refused_in_one_line(body: bytes, message: str) -> None:
    assert re.sub(r" \(byte \d+\)\Z", "", _error(body)) == message


# Each error occurs in a member that we read and in one that we skip: both parsers must be equally strict.
@pytest.mark.parametrize(
    "value", [b"NaN", b"-Infinity", b"01", b"+1", b".5", b"1.", b"tru", b"'x'", b'"\n"', b'"\\q"', b"[1,]"]
)
@pytest.mark.parametrize("place", [b'"web"', b'"skipped"'])
def test_invalid_json_is_refused_anywhere(place: bytes, value: bytes) -> None:
    document = _document()
    document["request"]["object"]["unknown"] = "skipped"
    body = json.dumps(document).encode()
    assert body.count(place) == 1
    assert _error(body.replace(place, value)).startswith("the body is not JSON: JSON is malformed: ")


@pytest.mark.parametrize("junk", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5\x80\x80\x80"])
@pytest.mark.parametrize("place", [b'"1"', b'"web"', b'"main"', b'"a/b"', b'"skipped"', b'"skipped key"'])
def test_invalid_utf_8_is_refused_anywhere(place: bytes, junk: bytes) -> None:
    document = _document()
    document["request"]["object"]["unknown"] = "skipped"
    document["request"]["object"]["skipped key"] = {}
    body = json.dumps(document).encode()
    assert body.count(place) == 1
    message = _error(body.replace(place, b'"' + junk + b'"'))
    assert message.startswith("the body is not JSON: 'utf-8' codec can't decode ")


@pytest.mark.parametrize("place", [b'"1"', b'"web"', b'"main"', b'"c"', b'"a/b"', b'{"name": "linux"}'])
def test_100000_levels_are_refused_where_we_read(place: bytes) -> None:
    body = json.dumps(_document()).encode()
    if place == b'"a/b"':
        body = body.replace(place, b'"a": ' + _nested(100_000) + b', "b"')
    else:
        body = body.replace(place, _nested(100_000))
    assert _error(body) in {
        "the body is not JSON: maximum recursion depth exceeded while deserializing an object",
        "not an AdmissionReview: request.uid: expected str, got array",
    }


@pytest.mark.parametrize("levels", [100_000, 1_000_000])
def test_100000_levels_are_refused_where_we_do_not_read(levels: int) -> None:
    body = json.dumps({**_document(), "unknown": "deep"}).encode().replace(b'"deep"', _nested(levels))
    assert _error(body) == "the body is not JSON that we take: it is nested too deeply"


def _is_taken(body: bytes) -> bool:
    try:
        parse(body)
    except ReviewError:
        return False
    return True


def test_every_accepted_depth_gets_a_decision() -> None:
    volumes = [{"name": "aws-iam-token", "emptyDir": {}}]
    pod = {"spec": {"serviceAccountName": "app", "containers": [{"name": "main"}], "volumes": volumes}}
    body = json.dumps(_document({**pod, "unknown": "deep"})).encode()
    account = ServiceAccount("shop", "app", {"role-arn": "arn:aws:iam::111122223333:role/app"})
    refused = bisect.bisect_left(range(100_000), True, key=lambda n: not _is_taken(body.replace(b'"deep"', _nested(n))))
    # Near the limit, `raw_volumes`, which decodes the body again for a warning, may run out of stack.
    for levels in range(refused - 40, refused):
        (warning,) = decide(parse(body.replace(b'"deep"', _nested(levels))), account, Sources(), Settings()).warnings
        assert warning in {
            "no credentials: volume aws-iam-token is emptyDir, not a projected token",
            "no credentials: volume aws-iam-token is of another kind, not a projected token",
        }


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
    document = _document()
    jsonpointer.set_pointer(document, "/" + path.replace(".", "/"), 1.5)
    assert _error(json.dumps(document).encode()) == f"not an AdmissionReview: {path}: expected {expected}, got float"


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
    document = _document()
    jsonpointer.set_pointer(document, f"/request/object{pointer}", wrong)
    review = _parsed(document)
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
    document = _document()
    parent, _, member = f"/request/object{pointer}".rpartition("/")
    del jsonpointer.resolve_pointer(document, parent)[member]
    assert _parsed(document).invalid == f"{path}: missing"


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
    document = _document()
    jsonpointer.set_pointer(document, f"/request/object{pointer}", None)
    assert _parsed(document).invalid == ""


def test_of_several_wrong_labels_one_that_is_wrong_is_named() -> None:
    labels = {"fine": "x", "[...]": "x", "bad\nkey": 1}
    document = _document({"metadata": {"labels": labels}, "spec": {}})
    assert _parsed(document).invalid == "metadata.labels[bad\\x0akey]: expected str, got int"


@pytest.mark.parametrize("last", ["null", "5", "[]", "{}", '{"labels": null}', '{"labels": {"a": "b"}}'])
def test_a_wrong_label_below_a_duplicate_member_is_located_as_far_as_possible(last: str) -> None:
    body = json.dumps(_document({"metadata": {"labels": {"a": 1}}, "spec": {}})).encode()
    body = body.replace(b', "spec"', f', "metadata": {last}, "spec"'.encode())
    assert parse(body).invalid == "metadata.labels[...]: expected str, got int"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b'"name": "main"', b'"name": "first", "name": "main"'),
        (b'"namespace": "shop", "operation"', b'"namespace": "first", "namespace": "shop", "operation"'),
        (b'"uid": "1"', b'"uid": "0", "uid": "1"'),
        (b'"operation": "CREATE"', b'"operation": "UPDATE", "operation": "CREATE"'),
        (b'"containers": [', b'"containers": [{"name": "first"}], "containers": ['),
        (b'"spec": {', b'"spec": {"serviceAccountName": "first"}, "spec": {'),
        (b'"object": {', b'"object": null, "object": {'),
        (b'"a/b": "c"', b'"a/b": "first", "a/b": "c"'),
    ],
)
def test_of_duplicate_keys_the_last_wins(first: bytes, second: bytes) -> None:
    body = json.dumps(_document()).encode()
    assert body.count(first) == 1
    twice, once = parse(body.replace(first, second)), parse(body)
    assert (twice.uid, twice.namespace, twice.service_account) == ("1", "shop", "app")
    assert twice.pod == once.pod
    assert twice.pod is not None


@pytest.mark.parametrize("escape", ["\\ud83d\\ude80", "🚀", "\\u0000", "\\/"])
def test_text_in_any_spelling_of_json_is_read(escape: str) -> None:
    body = json.dumps(_document()).replace('"main"', f'"{escape}"').encode()
    pod = parse(body).pod
    assert pod is not None
    assert pod.spec.containers is not None
    assert pod.spec.containers[0].name == json.loads(f'"{escape}"')


@pytest.mark.parametrize("number", [b"1e999", b"-1E+999", b"9" * 5000, b"1" + b"0" * 400 + b".5"])
def test_a_number_of_any_size_passes_where_we_do_not_read(number: bytes) -> None:
    body = json.dumps({**_document(), "unknown": "number"}).encode().replace(b'"number"', number)
    assert parse(body).pod is not None


def test_the_content_of_a_request_that_is_not_for_us_is_not_checked() -> None:
    document = _document({"spec": 5, "metadata": []})
    document["request"]["operation"] = "UPDATE"
    document["request"]["namespace"] = "No Namespace"
    review = _parsed(document)
    assert (review.not_ours, review.invalid, review.pod) == ("not_create", "", None)
