"""Which bodies are refused as no JSON or no review, with which message, and which spellings of JSON are read."""

import bisect
import json
import re

import pytest

from tests.admission.whole_review import error_of, whole_review
from webhook.admission.decision import decide
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.review import parse
from webhook.admission.settings import Settings
from webhook.errors import ReviewError


def _nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


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
    assert re.sub(r" \(byte \d+\)\Z", "", error_of(body)) == message


# Each error occurs in a member that we read and in one that we skip: both parsers must be equally strict.
@pytest.mark.parametrize(
    "value", [b"NaN", b"-Infinity", b"01", b"+1", b".5", b"1.", b"tru", b"'x'", b'"\n"', b'"\\q"', b"[1,]"]
)
@pytest.mark.parametrize("place", [b'"web"', b'"skipped"'])
def test_invalid_json_is_refused_anywhere(place: bytes, value: bytes) -> None:
    document = whole_review()
    document["request"]["object"]["unknown"] = "skipped"
    body = json.dumps(document).encode()
    assert body.count(place) == 1
    assert error_of(body.replace(place, value)).startswith("the body is not JSON: JSON is malformed: ")


@pytest.mark.parametrize("junk", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5\x80\x80\x80"])
@pytest.mark.parametrize("place", [b'"1"', b'"web"', b'"main"', b'"a/b"', b'"skipped"', b'"skipped key"'])
def test_invalid_utf_8_is_refused_anywhere(place: bytes, junk: bytes) -> None:
    document = whole_review()
    document["request"]["object"]["unknown"] = "skipped"
    document["request"]["object"]["skipped key"] = {}
    body = json.dumps(document).encode()
    assert body.count(place) == 1
    message = error_of(body.replace(place, b'"' + junk + b'"'))
    assert message.startswith("the body is not JSON: 'utf-8' codec can't decode ")


@pytest.mark.parametrize("place", [b'"1"', b'"web"', b'"main"', b'"c"', b'"a/b"', b'{"name": "linux"}'])
def test_100000_levels_are_refused_where_we_read(place: bytes) -> None:
    body = json.dumps(whole_review()).encode()
    if place == b'"a/b"':
        body = body.replace(place, b'"a": ' + _nested(100_000) + b', "b"')
    else:
        body = body.replace(place, _nested(100_000))
    assert error_of(body) in {
        "the body is not JSON: maximum recursion depth exceeded while deserializing an object",
        "not an AdmissionReview: request.uid: expected str, got array",
    }


@pytest.mark.parametrize("levels", [100_000, 1_000_000])
def test_100000_levels_are_refused_where_we_do_not_read(levels: int) -> None:
    body = json.dumps({**whole_review(), "unknown": "deep"}).encode().replace(b'"deep"', _nested(levels))
    assert error_of(body) == "the body is not JSON that we take: it is nested too deeply"


def _is_taken(body: bytes) -> bool:
    try:
        parse(body)
    except ReviewError:
        return False
    return True


def test_every_accepted_depth_gets_a_decision() -> None:
    volumes = [{"name": "aws-iam-token", "emptyDir": {}}]
    pod = {"spec": {"serviceAccountName": "app", "containers": [{"name": "main"}], "volumes": volumes}}
    body = json.dumps(whole_review({**pod, "unknown": "deep"})).encode()
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
    body = json.dumps(whole_review()).encode()
    assert body.count(first) == 1
    twice, once = parse(body.replace(first, second)), parse(body)
    assert (twice.uid, twice.namespace, twice.service_account) == ("1", "shop", "app")
    assert twice.pod == once.pod
    assert twice.pod is not None


@pytest.mark.parametrize("escape", ["\\ud83d\\ude80", "🚀", "\\u0000", "\\/"])
def test_text_in_any_spelling_of_json_is_read(escape: str) -> None:
    body = json.dumps(whole_review()).replace('"main"', f'"{escape}"').encode()
    pod = parse(body).pod
    assert pod is not None
    assert pod.spec.containers is not None
    assert pod.spec.containers[0].name == json.loads(f'"{escape}"')


@pytest.mark.parametrize("number", [b"1e999", b"-1E+999", b"9" * 5000, b"1" + b"0" * 400 + b".5"])
def test_a_number_of_any_size_passes_where_we_do_not_read(number: bytes) -> None:
    body = json.dumps({**whole_review(), "unknown": "number"}).encode().replace(b'"number"', number)
    assert parse(body).pod is not None
