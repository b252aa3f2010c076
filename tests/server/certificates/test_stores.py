"""The authority with both real stores; only the API server is a fake."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from certs.authority import Authority
from certs.bundle import published
from certs.issue import Pair
from certs.state import read_state
from tests.certs.replicas import NAMES, SERVICE, configuration
from tests.cluster.api_server import client_of, until
from tests.server.object_server import CONFIGURATION, SECRET, ObjectServer
from webhook.cluster.background import running
from webhook.cluster.client import KubernetesClient
from webhook.server.certificates.bundle_store import KubernetesBundleStore
from webhook.server.certificates.object_watch import watch_object
from webhook.server.certificates.secret_store import KubernetesSecretStore

LABELS = {"app.kubernetes.io/managed-by": "Helm"}
HELM = {"meta.helm.sh/release-name": "webhook"}


@asynccontextmanager
async def replica(client: KubernetesClient, served: list[Pair]) -> AsyncIterator[Authority]:
    bundles = KubernetesBundleStore(client, "pod-identity-webhook")
    secrets = KubernetesSecretStore(client, "eks", "tls", lambda: bundles.ownership)
    authority = Authority(secrets, bundles, SERVICE, NAMES, served.append)
    async with AsyncExitStack() as stack:
        for resource in (secrets.resource, bundles.resource):
            await stack.enter_async_context(running(watch_object(client, resource, authority.wake).run()))
        await stack.enter_async_context(running(authority.run()))
        yield authority


def is_right(server: ObjectServer) -> bool:
    """Whether the Secret has a leaf, and the configuration its CA."""
    if SECRET not in server.objects or CONFIGURATION not in server.objects:
        return False
    state, problems = read_state(server.data(), {})
    ours = published(server.objects[CONFIGURATION], SERVICE)
    return not problems and state.ca is not None and state.leaf is not None and ours == (state.ca.certificate,)


async def test_two_replicas_agree_and_immediately_restore_what_others_delete_or_undo() -> None:
    server = ObjectServer()
    owned = configuration() | {"metadata": {"labels": LABELS, "annotations": HELM}}
    server.put(CONFIGURATION, owned)
    first: list[Pair] = []
    second: list[Pair] = []
    async with (
        server.running(),
        client_of(server) as client,
        replica(client, first) as one,
        replica(client, second) as other,
    ):
        await until(lambda: is_right(server) and one.serving is not None and one.serving == other.serving)
        assert first == second == [one.serving]
        created = next(write.body for write in server.writes if write.method == "POST")
        assert (created["metadata"]["labels"], created["metadata"]["annotations"]) == (LABELS, HELM)
        assert [entry["name"] for entry in server.objects[CONFIGURATION]["webhooks"]] == [
            "ours",
            "strict",
            "theirs",
        ]
        assert "caBundle" not in server.objects[CONFIGURATION]["webhooks"][2]["clientConfig"]

        held = server.data()
        server.delete(SECRET)
        await until(lambda: is_right(server))
        assert server.data() == held

        server.put(CONFIGURATION, owned)
        await until(lambda: is_right(server))
        assert first == second == [one.serving]
        assert not {what for what in one.failures + other.failures if what != "conflict"}
