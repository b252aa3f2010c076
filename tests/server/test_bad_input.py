"""Bad input over real HTTPS: the answer, that the process lives on, and that it keeps nothing of it."""

import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.server.reviews import GOOD, JSON, Path, assert_answers_a_good_review, encoded, paths, put, review
from tests.server.webhook_process import WebhookProcess, wait_until

MAX_BODY = 7 * 1024 * 1024
TOO_LARGE = "the body is larger than 7340032 bytes"
DEEP = 100_000


def changed(new: Any, *path: str | int) -> bytes:
    value = review()
    put(value, path, new)
    return encoded(value)


def without(member: str) -> bytes:
    value = review()
    del value["request"][member]
    return encoded(value)


def deep_at(*path: str | int) -> bytes:
    return changed("HERE", *path).replace(b'"HERE"', b'{"x":' * DEEP + b"1" + b"}" * DEEP)


@dataclass(frozen=True)
class Case:
    """A wrong HTTP call, and the answer: plain text of one line that starts with `reason`."""

    name: str
    status: int
    reason: str
    body: bytes = GOOD
    method: str = "POST"
    path: str = "/mutate"
    headers: dict[str, str] = field(default_factory=lambda: JSON)
    chunked: bool = False

    def send(self, client: httpx.Client, body: bytes | None = None) -> httpx.Response:
        content = self.body if body is None else body
        parts = (content[start : start + 65536] for start in range(0, len(content), 65536))
        sent: bytes | Iterator[bytes] = parts if self.chunked else content
        return client.request(self.method, self.path, content=sent, headers=self.headers)


def typed(name: str, content_type: str, shown: str) -> Case:
    return Case(
        name,
        415,
        f"Content-Type is {shown!r}: expected application/json",
        headers={"content-type": content_type} if content_type else {},
    )


CASES = [
    Case("empty body", 400, "the body is not JSON: ", b""),
    Case("truncated JSON", 400, "the body is not JSON: Input data was truncated", GOOD[:-20]),
    Case("garbage", 400, "the body is not JSON: JSON is malformed", b"\x00\x01\x02"),
    Case("two documents", 400, "the body is not JSON: JSON is malformed: trailing characters", GOOD + GOOD),
    Case("YAML", 400, "the body is not JSON: JSON is malformed", b"kind: AdmissionReview\n"),
    Case("NaN", 400, "the body is not JSON: JSON is malformed", changed("?", "request", "x").replace(b'"?"', b"NaN")),
    Case(
        "NaN in the pod",
        400,
        "the body is not JSON: JSON is malformed",
        changed("?", "request", "object", "spec", "x").replace(b'"?"', b"NaN"),
    ),
    Case("invalid UTF-8", 400, "the body is not JSON: 'utf-8' codec can't", GOOD.replace(b"the-uid", b"\xff\xfe")),
    Case("UTF-16", 400, "the body is not JSON: ", GOOD.decode().encode("utf-16")),
    Case("deep objects in the pod", 400, "the body is not JSON", deep_at("request", "object", "spec", "affinity")),
    Case("deep objects beside the pod", 400, "the body is not JSON", deep_at("request", "oldObject")),
    Case("deep objects for the pod", 400, "the body is not JSON", deep_at("request", "object")),
    Case("deep arrays for all", 400, "not an AdmissionReview: expected object, got array", b"[" * DEEP + b"]" * DEEP),
    Case("array", 400, "not an AdmissionReview: expected object, got array", b"[]"),
    Case("null", 400, "not an AdmissionReview: expected object, got null", b"null"),
    Case("no request", 400, "not an AdmissionReview: request: missing", b'{"kind": "AdmissionReview"}'),
    Case("null request", 400, "not an AdmissionReview: request: expected object, got null", changed(None, "request")),
    Case("no uid", 400, "not an AdmissionReview: request.uid: missing", without("uid")),
    Case("empty uid", 400, "not an AdmissionReview: request.uid is empty", changed("", "request", "uid")),
    Case("another kind", 400, 'not an AdmissionReview: kind is "Pod"', changed("Pod", "kind")),
    Case("kind of two lines", 400, 'not an AdmissionReview: kind is "a\\x0ab"', changed("a\nb", "kind")),
    Case("unknown version", 400, "not an AdmissionReview that we know: apiVersion is", changed("v2", "apiVersion")),
    Case("8 MiB", 413, TOO_LARGE, GOOD + b" " * (1 << 23)),
    Case("8 MiB chunked", 413, TOO_LARGE, GOOD + b" " * (1 << 23), chunked=True),
    Case("a byte too many", 413, TOO_LARGE, GOOD + b" " * (MAX_BODY + 1 - len(GOOD))),
    Case("a byte too many chunked", 413, TOO_LARGE, GOOD + b" " * (MAX_BODY + 1 - len(GOOD)), chunked=True),
    typed("no content type", "", ""),
    typed("text", "text/plain", "text/plain"),
    typed("form", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
    typed("JSON patch", "application/json-patch+json; charset=utf-8", "application/json-patch+json"),
    typed("JSON as a parameter", "text/plain; application/json", "text/plain"),
    typed("two content types", "application/json, text/plain", "application/json, text/plain"),
    typed("long content type", "x" * 1000, "x" * 100),
    *(
        Case(method, 405, f"{method} is not allowed here: POST an AdmissionReview", method=method)
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
    ),
    Case("made-up method", 400, "Invalid HTTP request received.", method="MUTATE"),
    Case("slash at the end", 404, '{"detail":"Not Found"}', path="/mutate/"),
    Case("two slashes", 404, '{"detail":"Not Found"}', path="//mutate"),
    Case("another path", 404, '{"detail":"Not Found"}', path="/validate"),
]


@pytest.fixture(autouse=True)
def _no_traceback(webhook: WebhookProcess) -> Iterator[None]:
    yield
    assert webhook.process.poll() is None, webhook.log
    assert "Traceback" not in webhook.log
    assert "a bug" not in webhook.log


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_wrong_call_gets_its_status_and_one_line_and_the_next_review_its_answer(
    webhook: WebhookProcess, case: Case
) -> None:
    with webhook.client() as same:
        answer = case.send(same)
        assert (answer.status_code, answer.text[: len(case.reason)]) == (case.status, case.reason)
        assert len(answer.text.splitlines()) == 1
        assert len(answer.text) < 300
        if case.path == "/mutate":
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        if case.status == 405:
            assert answer.headers["allow"] == "POST"
        assert_answers_a_good_review(same)
    with webhook.client() as new:
        assert_answers_a_good_review(new)


def test_head_is_answered_405_without_a_body(client: httpx.Client) -> None:
    answer = client.head("/mutate")
    assert (answer.status_code, answer.content, answer.headers["allow"]) == (405, b"", "POST")
    assert_answers_a_good_review(client)


UNREAD = {
    ("request", "kind", "version"),
    ("request", "resource", "version"),
    ("request", "object", "apiVersion"),
}
PATHS = paths(review())


def shown(path: Path) -> str:
    """A path as an answer names it."""
    text = ""
    for key, before in zip(path, ("", *path), strict=False):
        in_map = before in {"labels", "nodeSelector"} or isinstance(key, int)
        text += f"[{key}]" if in_map else f".{key}"
    return text.removeprefix(".")


@pytest.mark.parametrize("path", PATHS, ids=[shown(path) for path in PATHS])
@pytest.mark.parametrize("wrong", [7, "x", {"a": 1}, [7], True], ids=["number", "string", "object", "array", "bool"])
def test_a_wrong_type_is_refused_by_its_path_wherever_we_read(client: httpx.Client, path: Path, wrong: Any) -> None:
    value = review()
    right: Any = value
    for key in path:
        right = right[key]
    if isinstance(wrong, type(right)):
        return
    put(value, path, wrong)
    answer = client.post("/mutate", content=encoded(value), headers=JSON)
    if path in UNREAD:
        assert answer.json()["response"]["allowed"] is True
    elif path[:2] == ("request", "object"):
        assert answer.status_code == 200
        response = answer.json()["response"]
        assert (response["uid"], response["allowed"], response["status"]["code"]) == ("the-uid", False, 400)
        path_of_object = shown(path[2:]) or "object"
        assert response["status"]["message"].startswith(f"{path_of_object}: expected ")
        assert "patch" not in response
    else:
        assert answer.status_code == 400
        assert answer.text.startswith(f"not an AdmissionReview: {shown(path)}: expected ")
        assert answer.text.count("\n") == 1


@pytest.mark.parametrize(
    ("path", "wrong", "message"),
    [
        (("containers",), {"name": "main"}, "spec.containers: expected array | null, got object"),
        (("containers",), [None], "spec.containers[0]: expected object, got null"),
        (("containers", 0), {}, "spec.containers[0].name: missing"),
        (
            ("serviceAccountName",),
            "../../secrets/x",
            'spec.serviceAccountName: "../../secrets/x" is not a DNS-1123 subdomain',
        ),
        (
            ("serviceAccountName",),
            "a%2fb",
            'spec.serviceAccountName: "a%2fb" is not a DNS-1123 subdomain',
        ),
        (
            ("serviceAccountName",),
            "a\nb",
            'spec.serviceAccountName: "a\\x0ab" is not a DNS-1123 subdomain',
        ),
    ],
)
def test_a_pod_that_makes_no_sense_is_denied_with_the_reason(
    client: httpx.Client, path: Path, wrong: Any, message: str
) -> None:
    answer = client.post("/mutate", content=changed(wrong, "request", "object", "spec", *path), headers=JSON)
    response = answer.json()["response"]
    assert (response["allowed"], response["status"]["code"], response["status"]["message"]) == (False, 400, message)
    assert_answers_a_good_review(client)


def test_a_namespace_that_is_none_is_denied_with_the_reason(client: httpx.Client) -> None:
    answer = client.post("/mutate", content=changed("../kube-system", "request", "namespace"), headers=JSON)
    assert answer.json()["response"]["status"]["message"] == (
        'request.namespace: "../kube-system" is not a DNS-1123 label'
    )


def test_names_that_json_pointer_escapes_are_taken_as_they_are(client: httpx.Client) -> None:
    value = review()
    put(value, ("request", "object", "metadata", "labels"), {"a/b~c": "v", "~1": "w"})
    put(value, ("request", "object", "spec", "containers", 0, "name"), "a/b~1c~0")
    answer = client.post("/mutate", content=encoded(value), headers=JSON)
    assert answer.json()["response"]["allowed"] is True
    assert "patch" in answer.json()["response"]


def test_of_duplicate_keys_the_last_wins(client: httpx.Client) -> None:
    twice = GOOD.replace(b'"uid": "the-uid"', b'"uid": "first", "uid": "the-uid"')
    twice = twice.replace(b'"namespace": "ci", "operation"', b'"namespace": 7, "namespace": "ci", "operation"')
    answer = client.post("/mutate", content=GOOD.replace(b'"uid": "the-uid"', b'"uid": "a", "uid": "z"'), headers=JSON)
    assert answer.json()["response"]["uid"] == "z"
    # A wrong type is one all the same, though another follows.
    assert client.post("/mutate", content=twice, headers=JSON).status_code == 400


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/mutate?timeout=10s", "application/json"),
        ("/%6dutate", "application/json"),
        ("/mutate", "application/json; charset=utf-8"),
        ("/mutate", "Application/JSON"),
        ("/mutate", "application/json;"),
    ],
)
def test_a_query_and_parameters_of_the_content_type_are_fine(
    client: httpx.Client, path: str, content_type: str
) -> None:
    answer = client.post(path, content=GOOD, headers={"content-type": content_type})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["response"]["uid"] == "the-uid"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_just_the_limit_is_answered(client: httpx.Client, chunked: bool) -> None:
    largest = Case("", 200, "", GOOD + b" " * (MAX_BODY - len(GOOD)), chunked=chunked)
    assert largest.send(client).json()["response"]["allowed"] is True


HEAD = b"POST /mutate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        HEAD.replace(b"/mutate", b"/%6dutate") + b"Content-Length: 2 2\r\n\r\n{}",
        b"\x00\x01garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01" + bytes(100),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: -1\r\n\r\n{}",
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot a size\r\n",
    ],
    ids=[
        "two lengths in one",
        "bytes",
        "TLS in TLS",
        "HTTP/2",
        "two lengths",
        "two equal lengths",
        "negative length",
        "length beyond 64 bits",
        "length and chunks",
        "chunk without a size",
    ],
)
def test_what_is_not_http_is_answered_400_and_a_close(
    webhook: WebhookProcess, client: httpx.Client, sent: bytes
) -> None:
    with webhook.connection() as conn:
        conn.sendall(sent)
        answer = b""
        while not answer.endswith(b"\r\n\r\nInvalid HTTP request received."):
            part = conn.recv(4096)
            assert part, answer
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert_answers_a_good_review(client)


@pytest.mark.parametrize("path", [b"/mutate", b"/%6dutate"])
def test_a_blank_behind_a_length_is_no_part_of_it(webhook: WebhookProcess, client: httpx.Client, path: bytes) -> None:
    with webhook.connection() as conn:
        conn.sendall(HEAD.replace(b"/mutate", path) + b"Content-Length: 0 \r\n\r\n")
        answer = b""
        while not answer.endswith(b"truncated\n"):
            part = conn.recv(4096)
            assert part, answer
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"the body is not JSON: Input data was truncated" in answer
    assert_answers_a_good_review(client)


def test_http_where_tls_is_spoken_is_cut(webhook: WebhookProcess, client: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", webhook.port), timeout=20) as conn:
        conn.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
        answer = conn.recv(4096)
        assert not answer.startswith(b"HTTP/")
    assert_answers_a_good_review(client)


@pytest.mark.only_ours("counts connections")
def test_connections_cut_in_the_midst_of_a_request_leave_nothing_behind(
    webhook: WebhookProcess, client: httpx.Client
) -> None:
    for part in (
        b"",
        HEAD[:10],
        HEAD,
        HEAD + b"Content-Length: 100\r\n\r\n{",
        HEAD + b"Content-Length: 999999\r\n\r\n{",
    ):
        with webhook.connection() as conn:
            conn.sendall(part)
    assert_answers_a_good_review(client)
    connections = 'pod_identity_webhook_connections{port="https"}'
    wait_until(lambda: f"\n{connections} 1\n" in webhook.get("/metrics").text, "all connections but one to be gone")


@pytest.mark.only_ours("bounds memory")
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory in /proc")
def test_bad_input_leaves_no_memory_behind(webhook: WebhookProcess, client: httpx.Client) -> None:
    # Each body is 256 KiB at least: if a single case kept its bodies, 12 of them would show, each time. What the
    # allocator takes more of, it takes once.
    padded = [(case, case.body + b" " * max(0, (1 << 18) - len(case.body))) for case in CASES]
    small = [(case, body) for case, body in padded if len(body) < 1 << 20]
    large = [(case, body) for case, body in padded if len(body) >= 1 << 20]

    def run(rounds: int) -> int:
        for case, body in small * rounds + large * 2:
            assert case.send(client, body).status_code == case.status
        return webhook.resident_kib

    resident = [run(4)]
    for _ in range(5):
        resident.append(run(12))
        if resident[-1] - resident[-2] < 1024:
            break
    else:
        pytest.fail(f"it grows and grows, KiB: {resident}")
    assert_answers_a_good_review(client)
