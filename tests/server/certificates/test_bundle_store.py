from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from certs.errors import Conflict, StoreError
from tests.certs.replicas import configuration
from tests.cluster.api_server import Answer, Request, Step, client_of, failure
from tests.server.object_server import CONFIGURATION, ObjectServer
from webhook.cluster.api_errors import ApiError
from webhook.server.certificates.bundle_store import KubernetesBundleStore, Ownership

BUNDLE = b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
PATCH = {
    "metadata": {"resourceVersion": "101"},
    "webhooks": [{"name": "ours", "clientConfig": {"caBundle": b64encode(BUNDLE).decode()}}],
}


@asynccontextmanager
async def store_on(server: ObjectServer) -> AsyncIterator[KubernetesBundleStore]:
    async with server.running(), client_of(server) as client:
        yield KubernetesBundleStore(client, "pod-identity-webhook")


def owned(**metadata: dict[str, str]) -> dict[str, Any]:
    return configuration() | {"metadata": metadata}


async def test_reads_the_whole_object_live() -> None:
    server = ObjectServer()
    server.put(CONFIGURATION, configuration())
    async with store_on(server) as store:
        assert await store.read() == server.objects[CONFIGURATION]
    assert [(one.path, one.query) for one in server.requests] == [(CONFIGURATION, {})]


async def test_sends_the_patch_unchanged_and_returns_the_patched_object() -> None:
    server = ObjectServer()
    server.put(CONFIGURATION, configuration())
    async with store_on(server) as store:
        after = await store.patch(PATCH)
    (write,) = server.writes
    assert (write.method, write.path, write.body) == ("PATCH", CONFIGURATION, PATCH)
    assert write.content_type == "application/strategic-merge-patch+json"
    assert after["webhooks"][0]["clientConfig"]["caBundle"] == b64encode(BUNDLE).decode()
    assert after == server.objects[CONFIGURATION]


async def test_a_patch_of_an_older_version_is_a_conflict() -> None:
    server = ObjectServer()
    server.put(CONFIGURATION, configuration())
    server.put(CONFIGURATION, configuration())
    async with store_on(server) as store:
        with pytest.raises(Conflict, match="pod-identity-webhook: somebody else has changed it"):
            await store.patch(PATCH)


async def test_errors_for_a_missing_object_say_what_to_do() -> None:
    server = ObjectServer()
    async with store_on(server) as store:
        for call in (store.read(), store.patch(PATCH)):
            with pytest.raises(StoreError) as refused:
                await call
            assert not isinstance(refused.value, Conflict)
            assert isinstance(refused.value.__cause__, ApiError)
            assert str(refused.value) == (
                "there is no MutatingWebhookConfiguration pod-identity-webhook: no pod gets a role until you"
                " apply it (the chart has it); if yours has another name, set --webhook-configuration"
            )


async def test_ownership_has_helms_labels_and_annotations_of_the_last_read() -> None:
    server = ObjectServer()
    ours = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/name": "x", "helm.sh/chart": "x-1.0"}
    helm = {"meta.helm.sh/release-name": "x", "meta.helm.sh/release-namespace": "eks"}
    server.put(
        CONFIGURATION,
        owned(labels={**ours, "team": "a", "x.app.kubernetes.io/y": "b"}, annotations={**helm, "note": "c"}),
    )
    async with store_on(server) as store:
        assert store.ownership == Ownership()
        await store.read()
        assert store.ownership == Ownership(ours, helm)
        await store.patch(PATCH)
        assert store.ownership == Ownership(ours, helm)
        server.delete(CONFIGURATION)
        with pytest.raises(StoreError):
            await store.read()
        assert store.ownership == Ownership(ours, helm)
        server.put(CONFIGURATION, owned(labels={"app.kubernetes.io/name": "y"}))
        await store.read()
        assert store.ownership == Ownership({"app.kubernetes.io/name": "y"}, {})


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b'{"metadata":{}}',
        b'{"metadata":null}',
        b'{"metadata":{"resourceVersion":"1","labels":{"a":1}}}',
        b'{"metadata":{"resourceVersion":"\xff"}}',
    ],
)
async def test_an_answer_that_is_not_an_object_is_an_error(body: bytes) -> None:
    async def step(_request: Request, answer: Answer) -> None:
        await answer.watch(body)
        await answer.end()

    server = ObjectServer()
    server.every = step
    async with store_on(server) as store:
        with pytest.raises(StoreError, match="pod-identity-webhook: not an object of the Kubernetes API"):
            await store.read()


def refuses(status: int, message: str) -> Step:
    async def step(_request: Request, answer: Answer) -> None:
        await answer.json(status, failure(status, "X", message))

    return step


async def test_other_refusals_have_the_api_servers_message_and_the_missing_rule() -> None:
    server = ObjectServer()
    server.every = refuses(422, "webhooks[0].clientConfig.caBundle:\nInvalid value")
    async with store_on(server) as store:
        with pytest.raises(StoreError, match=r"422: webhooks\[0\].clientConfig.caBundle: Invalid value"):
            await store.patch(PATCH)
        server.every = refuses(403, "not yours")
        with pytest.raises(StoreError) as refused:
            await store.patch(PATCH)
    assert str(refused.value) == (
        "patch mutatingwebhookconfigurations pod-identity-webhook: 403: not yours (grant apiGroups:"
        ' ["admissionregistration.k8s.io"], resources: ["mutatingwebhookconfigurations"], verbs: ["patch"],'
        ' resourceNames: ["pod-identity-webhook"] in a ClusterRole)'
    )
