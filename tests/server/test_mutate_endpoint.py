"""The endpoint behind the listener: bodies that do not come."""

import asyncio
from typing import Any

import pytest

from webhook.admission.mapping import NO_MAPPING, RoleMapping
from webhook.admission.settings import Settings
from webhook.server import mutate_endpoint
from webhook.server.metrics import Metrics
from webhook.server.mutate_endpoint import MutateEndpoint


class NoAccounts:
    mapping: RoleMapping = NO_MAPPING

    def get(self, namespace: str, name: str) -> None:  # noqa: ARG002 - the store's
        return None

    async def lookup(self, namespace: str, name: str) -> None:  # noqa: ARG002 - the store's
        return None


@pytest.mark.parametrize(
    ("length", "answer"),
    [
        (b"0" * 5000 + b"4", (400, b"the body is not JSON: JSON is malformed: invalid character (byte 0)\n")),
        (b"0" * 5000 + b"7340033", (413, b"the body is larger than 7340032 bytes\n")),
    ],
)
def test_a_length_of_thousands_of_digits_is_a_length(length: bytes, answer: tuple[int, bytes]) -> None:
    endpoint = MutateEndpoint(NoAccounts(), frozenset, Settings(), Metrics())
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"body", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(endpoint({"type": "http", "path": "/mutate", "method": "POST", "headers": headers}, receive, send))
    assert (sent[0]["status"], sent[1]["body"]) == answer


def test_a_large_body_that_stops_coming_gives_its_place_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutate_endpoint, "_LARGE_BODY_TIMEOUT", 0.05)
    endpoint = MutateEndpoint(NoAccounts(), frozenset, Settings(), Metrics())
    scope = {"type": "http", "path": "/mutate", "method": "POST", "headers": [(b"content-type", b"application/json")]}

    async def answer() -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        parts = iter([{"type": "http.request", "body": bytes(70_000), "more_body": True}])
        sent: list[Any] = []

        async def receive() -> Any:
            part = next(parts, None)
            return part if part is not None else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await endpoint(scope, receive, send)
        return sent[0]["status"], sent[0]["headers"], sent[1]["body"]

    async def test() -> None:
        answers = await asyncio.wait_for(asyncio.gather(*(answer() for _ in range(40))), 20)
        for code, headers, body in answers:
            assert (code, body) == (408, b"the body did not come within 0.05 s\n")
            assert (b"connection", b"close") in headers

    asyncio.run(test())
