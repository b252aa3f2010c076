"""Requests to the API server: errors with their reasons, bounds on size and time, and URLs."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from tests.cluster.api_server import Answer, ApiServer, Request, answers, client_of, fails, hang
from webhook.cluster.access import AccessSettings
from webhook.cluster.api_errors import (
    ApiError,
    Expired,
    InvalidName,
    NotAnApiServer,
    TimedOut,
    TooLarge,
    Unreachable,
)
from webhook.cluster.client import KubernetesClient
from webhook.cluster.resource import NonResource, Resource
from webhook.cluster.status import Status, status_error

ACCOUNTS = Resource("serviceaccounts")

pytestmark = pytest.mark.usefixtures("no_surroundings")


async def test_an_error_gives_the_reason_of_the_server() -> None:
    server = ApiServer(
        [
            fails(404, "NotFound"),
            fails(410, "Expired"),
            fails(429, "TooManyRequests", {"Retry-After": "3"}),
            fails(403, "Forbidden"),
            lambda _request, answer: answer.json(502, "<html>"),
        ]
    )
    async with server.running(), client_of(server) as client:
        errors = []
        for _ in server.steps:
            with pytest.raises(ApiError) as caught:
                await client.get(Resource("secrets", "eks", "tls"))
            errors.append(caught.value)
    assert [(error.status, error.reason, error.retry_after) for error in errors] == [
        (404, "NotFound", 0),
        (410, "Expired", 0),
        (429, "TooManyRequests", 3),
        (403, "Forbidden", 0),
        (502, "X", 0),
    ]
    assert isinstance(errors[1], Expired)
    assert str(errors[0]) == "get secrets tls in namespace eks: 404: no"
    assert str(errors[3]) == (
        'get secrets tls in namespace eks: 403: no (grant apiGroups: [""], resources: ["secrets"], verbs: ["get"], '
        'resourceNames: ["tls"] in a Role in namespace eks)'
    )


async def test_a_page_of_a_web_server_does_not_say_that_an_object_is_missing() -> None:
    server = ApiServer([lambda _request, answer: answer.page(404, b"<html>no</html>")])
    async with server.running(), client_of(server) as client:
        with pytest.raises(NotAnApiServer) as caught:
            await client.get(Resource("secrets", "eks", "tls"))
    assert str(caught.value) == (
        "get secrets tls in namespace eks: what answers is no Kubernetes API server: 404 with a page of HTML or XML"
    )


async def test_an_answer_that_is_too_large_is_refused_and_the_client_keeps_working() -> None:
    async def floods(_request: Request, answer: Answer) -> None:
        await answer.watch()
        while True:
            await answer.raw(b"x" * 65536)

    server = ApiServer([floods, answers, floods])
    async with server.running(), client_of(server) as client:
        with pytest.raises(TooLarge, match=r"^list serviceaccounts: the answer is larger than 100000 bytes$"):
            await client.get(ACCOUNTS, max_bytes=100_000)
        assert await client.get(ACCOUNTS)
        with pytest.raises(TooLarge, match=r"^create serviceaccounts: the answer is larger than 20971520 bytes$"):
            await client.write("create", ACCOUNTS, {})


async def test_only_two_large_bodies_are_read_at_a_time_and_small_ones_do_not_wait_for_them() -> None:
    async def stalls(_request: Request, answer: Answer) -> None:
        await answer.watch()
        await answer.raw(b"x" * 1_100_000)
        await hang(_request, answer)

    large = {"x": "x" * 1_100_000}

    async def answers_large(_request: Request, answer: Answer) -> None:
        await answer.json(200, large)

    server = ApiServer([stalls, stalls, answers_large], every=None)
    server.steps += [answers] * 20
    async with server.running(), client_of(server) as client:
        stalled = []
        for count in (1, 2):
            stalled.append(asyncio.create_task(client.get(ACCOUNTS)))
            await server.wait_for_requests(count)
        third = asyncio.create_task(client.get(ACCOUNTS))
        await server.wait_for_requests(3)
        for _ in range(20):
            await client.get(ACCOUNTS)
        assert not third.done()
        stalled[0].cancel()
        assert json.loads(await third) == large
        stalled[1].cancel()
        await asyncio.gather(*stalled, return_exceptions=True)


async def test_a_server_that_hangs_or_is_away_is_unreachable() -> None:
    server = ApiServer(every=hang)
    async with server.running(), client_of(server) as client:
        with pytest.raises(TimedOut, match="does not answer in time"):
            await client.get(ACCOUNTS, seconds=0.05)
    async with client_of(server) as client:
        with pytest.raises(Unreachable, match=r"cannot be reached: .*Connect"):
            await client.get(ACCOUNTS)


@pytest.mark.parametrize(
    "parts",
    [
        ("serviceaccounts", "a/b", "c"),
        ("serviceaccounts", "a", "../c"),
        ("serviceaccounts", "a", "c?x"),
        ("serviceaccounts", "A", ""),
        ("../x", "", ""),
        ("secrets", "", "", "v1/../x"),
    ],
)
def test_an_invalid_name_never_gets_into_a_url(parts: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidName):
        Resource(*parts)


def test_paths_and_rules_of_named_groups() -> None:
    resource = Resource("mutatingwebhookconfigurations", name="w", group_version="admissionregistration.k8s.io/v1")
    assert resource.path == "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/w"
    assert resource.rule("patch") == (
        'apiGroups: ["admissionregistration.k8s.io"], resources: ["mutatingwebhookconfigurations"], verbs: ["patch"], '
        'resourceNames: ["w"] in a ClusterRole'
    )


def test_a_document_beside_the_resources_names_its_rule_and_the_role_that_has_it() -> None:
    document = NonResource("/openid/v1/jwks", "system:service-account-issuer-discovery")

    assert document.rule("get") == (
        'nonResourceURLs: ["/openid/v1/jwks"], verbs: ["get"] in a ClusterRole '
        "(the ClusterRole system:service-account-issuer-discovery has it)"
    )
    assert NonResource("/version").rule("get") == 'nonResourceURLs: ["/version"], verbs: ["get"] in a ClusterRole'


@pytest.mark.parametrize("host", ["a..b", "xn--", "a" * 64])
async def test_a_host_that_cannot_be_looked_up_is_unreachable(host: str) -> None:
    async with KubernetesClient(AccessSettings(kubeconfig="", kube_api=f"https://{host}")) as client:
        with pytest.raises(Unreachable, match=f"the API server at https://{host} cannot be reached: "):
            await client.get(ACCOUNTS)


async def test_an_error_does_not_show_a_password_in_the_url() -> None:
    async with KubernetesClient(AccessSettings(kubeconfig="", kube_api="http://user:secret@127.0.0.1:9")) as client:
        with pytest.raises(Unreachable, match=r"the API server at http://127\.0\.0\.1:9 cannot be reached"):
            await client.get(ACCOUNTS)


def test_a_wait_that_the_server_asks_for_is_never_negative() -> None:
    status = msgspec.convert({"code": 429, "details": {"retryAfterSeconds": -5}}, Status)
    assert status_error(status, "create").retry_after == 0
