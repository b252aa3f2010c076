"""The endpoint behind the listener: bodies that do not come."""

import asyncio
from typing import Any

import pytest

from tests.server.reviews import GOOD
from webhook.admission.mapping import NO_MAPPING, RoleMapping
from webhook.admission.review import Review, parse
from webhook.admission.settings import Settings
from webhook.errors import LookupFailed
from webhook.server import mutate_endpoint
from webhook.server.http.answer import Headers
from webhook.server.metrics.families import Metrics
from webhook.server.mutate_endpoint import MutateEndpoint


class NoAccounts:
    mapping: RoleMapping = NO_MAPPING

    def get(self, namespace: str, name: str) -> None:  # noqa: ARG002 - the store's
        return None

    async def lookup(self, namespace: str, name: str) -> None:  # noqa: ARG002 - the store's
        return None


async def answered(endpoint: MutateEndpoint, *parts: bytes, headers: Headers) -> tuple[int, Headers, bytes]:
    """What the endpoint answers to a body in these parts."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages[-1]["more_body"] = False
    coming, sent = iter(messages), list[Any]()

    async def receive() -> Any:
        return next(coming)

    async def send(message: Any) -> None:
        sent.append(message)

    await endpoint({"type": "http", "path": "/mutate", "method": "POST", "headers": headers}, receive, send)
    return sent[0]["status"], sent[0]["headers"], sent[1]["body"]


JSON = [(b"content-type", b"application/json")]


def endpoint() -> MutateEndpoint:
    return MutateEndpoint(NoAccounts(), frozenset, Settings(), Metrics())


class Unreachable(NoAccounts):
    async def lookup(self, namespace: str, name: str) -> None:
        raise LookupFailed(f"ServiceAccount {namespace}/{name}: timed out")


def test_a_lookup_that_failed_is_logged_with_what_the_review_is_about(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = MutateEndpoint(Unreachable(), frozenset, Settings(), Metrics())
    code, _, body = asyncio.run(answered(endpoint, GOOD, headers=JSON))

    assert (code, body) == (500, b"ServiceAccount ci/builder: timed out\n")
    (record,) = caplog.records
    assert record.getMessage() == "no answer to a review: ServiceAccount ci/builder: timed out"
    assert vars(record)["fields"] == {
        "namespace": "ci",
        "pod": "build",
        "service_account": "builder",
        "uid": "the-uid",
    }


def test_the_endpoint_bounds_a_body_by_itself() -> None:
    code, headers, body = asyncio.run(answered(endpoint(), bytes(7_000_000), bytes(340_033), headers=JSON))
    assert (code, body) == (413, b"the body is larger than 7340032 bytes\n")
    assert (b"connection", b"close") in headers


def test_a_body_in_parts_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole: list[bytes] = []

    def noted(body: bytes) -> Review:
        whole.append(body)
        return parse(body)

    monkeypatch.setattr(mutate_endpoint, "parse", noted)
    code, _, body = asyncio.run(answered(endpoint(), b"bo", b"", b"dy", headers=JSON))
    assert (code, body[:25]) == (400, b"the body is not JSON: JSO")
    assert whole == [b"body"]
