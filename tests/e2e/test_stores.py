"""The stores of the Secret and the webhook configuration, on a real API server with exactly the rules they need."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from certs.authority import Authority
from certs.bundle import Service, bundle_patch, published
from certs.errors import Conflict, StoreError
from certs.issue import Names, Pair, issue_ca, service_names
from certs.state import read_state
from tests.e2e.api import Api, ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.rbac import CLUSTER_RULES, account_with, may
from tests.e2e.waiting import wait_until
from webhook.cluster.access import AccessSettings
from webhook.cluster.background import running
from webhook.cluster.client import KubernetesClient
from webhook.server.certificates.bundle_store import KubernetesBundleStore, Ownership
from webhook.server.certificates.object_watch import watch_object
from webhook.server.certificates.secret_store import KubernetesSecretStore

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
SECRET = "pod-identity-webhook-tls"
HELM = Ownership(
    {"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "pod-identity-webhook-1.0.0"},
    {"meta.helm.sh/release-name": "webhook", "meta.helm.sh/release-namespace": "eks"},
)
CA = issue_ca(datetime.now(UTC), common_name="CA").certificate


class Place:
    """A namespace, a webhook configuration with the same name, and a user with the webhook's rights there."""

    def __init__(self, cluster: Cluster, purpose: str) -> None:
        self.admin = cluster.admin
        self.namespace = cluster.namespace(purpose)
        self.service = Service("pod-identity-webhook", self.namespace)
        self.secrets = f"/api/v1/namespaces/{self.namespace}/secrets"
        self.secret = f"{self.secrets}/{SECRET}"
        self.configuration = f"{CONFIGURATIONS}/{self.namespace}"
        secret = {"apiGroups": [""], "resources": ["secrets"]}
        configuration = {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["mutatingwebhookconfigurations"],
            "verbs": ["get", "list", "watch", "patch"],
            "resourceNames": [self.namespace],
        }
        account = account_with(
            cluster,
            self.namespace,
            cluster_rules=[*CLUSTER_RULES, configuration],
            namespace_rules=[
                {**secret, "verbs": ["get", "list", "watch", "patch"], "resourceNames": [SECRET]},
                {**secret, "verbs": ["create"]},
            ],
        )
        user = Api(cluster.url, cluster.ca, account.token)
        asked = {"namespace": self.namespace, "resource": "secrets", "verb": "create"}
        wait_until(lambda: may(user, asked), f"they may {asked}", within=15)
        user.close()
        self._settings = AccessSettings(kubeconfig=str(cluster.write_kubeconfig(self.namespace, account.token)))

    def client(self) -> KubernetesClient:
        return KubernetesClient(self._settings)

    def register(self) -> None:
        """Creates a configuration that calls no webhook: its entries match no namespace."""

        def entry(name: str, service: str) -> Object:
            return {
                "name": f"{name}.example.com",
                "clientConfig": {"service": {"name": service, "namespace": self.namespace, "path": "/mutate"}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
                "namespaceSelector": {"matchLabels": {"nobody": "has-this"}},
                "failurePolicy": "Ignore",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }

        entries = [entry("ours", self.service.name), entry("theirs", "other"), entry("strict", self.service.name)]
        metadata = {"name": self.namespace, "labels": {**HELM.labels, "team": "a"}, "annotations": HELM.annotations}
        self.admin.create(CONFIGURATIONS, {"metadata": metadata, "webhooks": entries})

    def put_secret(self, **members: Any) -> None:
        self.admin.create(self.secrets, {"metadata": {"name": SECRET}, **members})

    def data(self) -> dict[str, bytes]:
        return {key: b64decode(value) for key, value in self.admin.get(self.secret)["data"].items()}


@pytest.fixture
def place(cluster: Cluster, request: pytest.FixtureRequest) -> Place:
    return Place(cluster, f"st-{request.node.name[-30:]}")


@asynccontextmanager
async def secret_store(place: Place) -> AsyncIterator[KubernetesSecretStore]:
    async with place.client() as client:
        yield KubernetesSecretStore(client, place.namespace, SECRET, lambda: HELM)


@asynccontextmanager
async def bundle_store(place: Place) -> AsyncIterator[KubernetesBundleStore]:
    async with place.client() as client:
        yield KubernetesBundleStore(client, place.namespace)


def text(value: bytes) -> str:
    return b64encode(value).decode()


async def test_a_secret_is_created_for_the_release_and_can_be_read(place: Place) -> None:
    async with secret_store(place) as store:
        assert await store.read() is None
        await store.write({"tls.key": b"key", "next-ca.key": b""}, None)
        with pytest.raises(Conflict):
            await store.write({"tls.key": b"other"}, None)
        read = await store.read()
    assert read is not None
    assert read.data == {"tls.key": b"key", "next-ca.key": b""}
    assert read.annotations == HELM.annotations
    created = place.admin.get(place.secret)
    assert created["type"] == "Opaque"
    assert (created["metadata"]["labels"], created["metadata"]["annotations"]) == (HELM.labels, HELM.annotations)


async def test_a_patched_secret_keeps_other_keys_and_all_metadata(place: Place) -> None:
    place.put_secret(
        metadata={"name": SECRET, "labels": {"team": "a"}, "annotations": {"note": "b"}, "finalizers": ["test/kept"]},
        data={"mine": text(b"x"), "tls.key": text(b"old")},
    )
    before = place.admin.get(place.secret)

    async with secret_store(place) as store:
        await store.write({"tls.key": b"new", "ca.key": b""}, await store.read())
    after = place.admin.get(place.secret)
    assert place.data() == {"mine": b"x", "tls.key": b"new", "ca.key": b""}
    for changed in ("resourceVersion", "managedFields"):
        before["metadata"].pop(changed, None), after["metadata"].pop(changed, None)
    assert after["metadata"] == before["metadata"]
    place.admin.patch(place.secret, {"metadata": {"finalizers": None}})


async def test_a_stale_version_a_new_secret_of_that_name_and_a_deleted_one_are_conflicts(place: Place) -> None:
    place.put_secret()

    async with secret_store(place) as store:
        over = await store.read()
        place.admin.patch(place.secret, {"metadata": {"labels": {"changed": "yes"}}})
        with pytest.raises(Conflict):
            await store.write({"tls.key": b"new"}, over)
        over = await store.read()
        # Making the Secret immutable is a change too.
        place.admin.patch(place.secret, {"immutable": True})
        with pytest.raises(Conflict):
            await store.write({"tls.key": b"new"}, over)
        place.admin.delete(place.secret)
        with pytest.raises(Conflict):
            await store.write({"tls.key": b"new"}, over)
        place.put_secret()
        with pytest.raises(Conflict):
            await store.write({"tls.key": b"new"}, over)
    assert "data" not in place.admin.get(place.secret)


async def test_an_immutable_secret_is_reported_and_created_again_once_it_is_deleted(place: Place) -> None:
    place.put_secret(immutable=True, data={"tls.key": text(b"old")})

    async with secret_store(place) as store:
        with pytest.raises(StoreError, match=f"immutable.*kubectl delete secret {SECRET} --namespace"):
            await store.write({"tls.key": b"new"}, await store.read())
        place.admin.delete(place.secret)
        await store.write({"tls.key": b"new"}, await store.read())
    assert place.data() == {"tls.key": b"new"}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("kubernetes.io/tls", {"tls.crt": "", "tls.key": ""}),
        ("example.com/mine", {"mine": text(b"x")}),
        ("kubernetes.io/basic-auth", {"username": text(b"x")}),
    ],
)
async def test_a_secret_of_another_type_is_adopted(place: Place, kind: str, data: dict[str, str]) -> None:
    place.put_secret(type=kind, data=data)

    async with secret_store(place) as store:
        over = await store.read()
        assert over is not None
        state, problems = read_state(over.data, over.annotations)
        assert not problems
        await store.write(state.data(), over)
    assert place.admin.get(place.secret)["type"] == kind
    assert set(place.data()) == {*read_state({}, {})[0].data(), *data}


async def test_the_error_of_a_refused_write_quotes_none_of_its_content(place: Place) -> None:
    place.put_secret()
    key = b"PRIVATE" * 10

    async with secret_store(place) as store:
        for over in (await store.read(), None):
            with pytest.raises(StoreError) as refused:
                await store.write({f"not/{key.decode()}": key}, over)
            assert not isinstance(refused.value, Conflict)
            assert refused.value.__context__ is None
            assert "422 Invalid" in str(refused.value)
            assert "PRIVATE" not in str(refused.value)


async def test_a_bundle_patch_touches_only_the_ca_bundle_of_our_entries_and_is_refused_when_stale(place: Place) -> None:
    place.register()
    before = place.admin.get(place.configuration)

    async with bundle_store(place) as store:
        configuration = await store.read()
        assert store.ownership == HELM
        patch = bundle_patch(configuration, place.service, CA)
        assert patch is not None
        patched = await store.patch(patch)
        assert published(patched, place.service) == (CA,)
        assert bundle_patch(patched, place.service, CA) is None
        with pytest.raises(Conflict):
            await store.patch(patch)
    after = place.admin.get(place.configuration)
    for entry in after["webhooks"]:
        bundle = entry["clientConfig"].pop("caBundle", None)
        assert bundle == (None if entry["name"] == "theirs.example.com" else text(CA))
    assert after["webhooks"] == before["webhooks"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    place.admin.delete(place.configuration)


async def test_the_error_for_a_missing_webhook_configuration_says_what_to_do(place: Place) -> None:
    async with bundle_store(place) as store:
        with pytest.raises(StoreError, match=f"no MutatingWebhookConfiguration {place.namespace}: .*apply it"):
            await store.read()


async def test_a_missing_rule_is_named(cluster: Cluster, place: Place) -> None:
    account = account_with(cluster, place.namespace, "nobody", cluster_rules=[], namespace_rules=[])
    kubeconfig = cluster.write_kubeconfig(f"{place.namespace}-nobody", account.token)

    async with KubernetesClient(AccessSettings(kubeconfig=str(kubeconfig))) as client:
        store = KubernetesSecretStore(client, place.namespace, SECRET, lambda: HELM)
        with pytest.raises(StoreError, match=r'verbs: \["get"\], resourceNames: \["pod-identity-webhook-tls"\]'):
            await store.read()
        with pytest.raises(StoreError, match=r'403 Forbidden \(grant .* verbs: \["create"\] in a Role'):
            await store.write({"tls.key": b"x"}, None)


async def test_each_change_of_the_watched_object_calls_back(place: Place) -> None:
    place.register()

    calls: asyncio.Queue[str] = asyncio.Queue()
    async with place.client() as client, AsyncExitStack() as stack:
        watched = {
            "secret": KubernetesSecretStore(client, place.namespace, SECRET, lambda: HELM).resource,
            "configuration": KubernetesBundleStore(client, place.namespace).resource,
        }
        for name, resource in watched.items():
            watch = watch_object(client, resource, partial(calls.put_nowait, name))
            await stack.enter_async_context(running(watch.run()))
        async with asyncio.timeout(30):
            assert {await calls.get(), await calls.get()} == set(watched)
            place.admin.create(place.secrets, {"metadata": {"name": "another"}})
            place.put_secret()
            assert await calls.get() == "secret"
            place.admin.patch(place.secret, {"data": {"tls.key": text(b"x")}})
            assert await calls.get() == "secret"
            place.admin.patch(place.configuration, {"metadata": {"labels": {"team": "b"}}})
            assert await calls.get() == "configuration"
            place.admin.delete(place.secret)
            assert await calls.get() == "secret"
            place.admin.delete(place.configuration)
            assert await calls.get() == "configuration"
        assert calls.empty()


async def test_the_authority_creates_publishes_and_restores_deleted_objects(place: Place) -> None:
    place.register()
    names = Names.parse(service_names(place.service.name, place.namespace))

    served: list[Pair] = []
    async with place.client() as client, AsyncExitStack() as stack:
        bundles = KubernetesBundleStore(client, place.namespace)
        secrets = KubernetesSecretStore(client, place.namespace, SECRET, lambda: bundles.ownership)
        authority = Authority(secrets, bundles, place.service, names, served.append)
        for resource in (secrets.resource, bundles.resource):
            await stack.enter_async_context(running(watch_object(client, resource, authority.wake).run()))
        await stack.enter_async_context(running(authority.run()))

        async def until_right() -> None:
            # Without a wake-up, the next round would come only after a minute.
            async with asyncio.timeout(30):
                while not is_right(place):  # noqa: ASYNC110 - only the API server knows, and it sends no event
                    await asyncio.sleep(0.05)

        await until_right()
        assert place.admin.get(place.secret)["metadata"]["labels"] == HELM.labels
        held = place.data()
        place.admin.delete(place.secret)
        place.admin.delete(place.configuration)
        place.register()
        await until_right()
        assert place.data() == held
        assert served == [authority.serving]
    place.admin.delete(place.configuration)


def is_right(place: Place) -> bool:
    try:
        state, problems = read_state(place.data(), {})
        configuration = place.admin.get(place.configuration)
    except ApiError:
        return False
    assert not problems
    assert state.ca is not None
    return published(configuration, place.service) == (state.ca.certificate,)
