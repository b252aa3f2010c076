"""The endpoint as a plain ASGI application, without our listener."""

from typing import Any

import pytest

from tests.server.reviews import GOOD
from webhook.admission.mapping import NO_MAPPING, RoleMapping
from webhook.admission.settings import Settings
from webhook.errors import LookupFailed
from webhook.server.http.answer import Headers
from webhook.server.metrics.requests import Metrics
from webhook.server.mutate_endpoint import MutateEndpoint


class NoAccounts:
    mapping: RoleMapping = NO_MAPPING

    def get(self, namespace: str, name: str) -> None:  # noqa: ARG002 - the store's
        return None

    async def lookup(self, namespace: str, name: str) -> None:  # noqa: ARG002 - the store's
        return None


async def answered(endpoint: MutateEndpoint, *parts: bytes, headers: Headers) -> tuple[int, Headers, bytes]:
    """Returns the endpoint's answer to a body in these parts."""
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


async def test_a_failed_lookup_is_logged_with_the_reviews_fields(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = MutateEndpoint(Unreachable(), frozenset, Settings(), Metrics())
    code, _, body = await answered(endpoint, GOOD, headers=JSON)

    assert (code, body) == (500, b"ServiceAccount ci/builder: timed out\n")
    (record,) = caplog.records
    assert record.getMessage() == "cannot answer a review: ServiceAccount ci/builder: timed out"
    assert vars(record)["fields"] == {
        "namespace": "ci",
        "pod": "build",
        "service_account": "builder",
        "uid": "the-uid",
    }


async def test_the_endpoint_itself_limits_the_body() -> None:
    code, headers, body = await answered(endpoint(), bytes(7_000_000), bytes(340_033), headers=JSON)
    assert (code, body) == (413, b"the body is larger than 7340032 bytes\n")
    assert (b"connection", b"close") in headers


async def test_a_body_in_parts_is_joined() -> None:
    whole = await answered(endpoint(), GOOD, headers=JSON)
    assert whole[0] == 200
    assert await answered(endpoint(), GOOD[:100], b"", GOOD[100:], headers=JSON) == whole
