"""Wrong HTTP calls, and the answer to each."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from tests.server.reviews import GOOD, JSON, encoded, put, review

if TYPE_CHECKING:
    from collections.abc import Iterator

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
