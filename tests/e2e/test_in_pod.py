"""In a pod: the webhook finds the API server through the environment, and kubelet renews its token in a file."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.api import Api, ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts
from tests.e2e.proxy import Proxy
from tests.e2e.rbac import Account, account_with
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import Webhook

# The API server caches for 10 s whose token it is.
_FORGOTTEN = 40.0
# After a 401, the webhook reads its credentials again, but at most once every 10 s.
_RELOADS_AGAIN = 10.5
_DENIED = 'pod_identity_webhook_watch_restarts_total{reason="denied"}'


class _Credentials:
    """A folder as kubelet mounts it: `token` and `ca.crt` are links through `..data`, which kubelet swaps atomically.

    Each token is bound to a Secret, and becomes invalid when that Secret is deleted.
    """

    def __init__(self, folder: Path, cluster: Cluster, account: Account) -> None:
        self.folder = folder
        self._cluster = cluster
        self._account = account
        self._generation = 0
        folder.mkdir()
        for name in ("token", "ca.crt"):
            (folder / name).symlink_to(f"..data/{name}")

    def renew(self) -> str:
        """Replaces the token with a new one and returns the new one."""
        token = self._token(f"generation-{self._generation + 1}")
        self._generation += 1
        content = self.folder / f"..generation-{self._generation}"
        content.mkdir()
        (content / "token").write_text(token)
        (content / "ca.crt").write_text(self._cluster.ca)
        link = self.folder / "..data_tmp"
        link.symlink_to(content.name)
        link.replace(self.folder / "..data")
        return token

    def revoke(self, generation: int, token: str) -> None:
        """Revokes a token; returns when the API server answers it with 401."""
        self._cluster.admin.delete(f"{self._secrets}/generation-{generation}")
        user = Api(self._cluster.url, self._cluster.ca, token)
        try:
            wait_until(lambda: _is_unknown(user), "the API server to refuse the old token", within=_FORGOTTEN)
        finally:
            user.close()

    @property
    def _secrets(self) -> str:
        return f"/api/v1/namespaces/{self._account.namespace}/secrets"

    def _token(self, secret: str) -> str:
        made = self._cluster.admin.create(self._secrets, {"metadata": {"name": secret}})
        bound = {"apiVersion": "v1", "kind": "Secret", "name": secret, "uid": made["metadata"]["uid"]}
        body: Object = {"spec": {"expirationSeconds": 3600, "boundObjectRef": bound}}
        path = f"{service_accounts(self._account.namespace)}/{self._account.name}/token"
        return str(self._cluster.admin.create(path, body)["status"]["token"])


def _is_unknown(user: Api) -> bool:
    try:
        user.get("/api/v1/serviceaccounts", limit=1)
    except ApiError as error:
        return error.code == 401
    return False


@pytest.fixture
def account(cluster: Cluster) -> Account:
    return account_with(cluster, cluster.namespace("in-pod"))


@pytest.fixture
def credentials(cluster: Cluster, account: Account, tmp_path: Path) -> _Credentials:
    return _Credentials(tmp_path / "serviceaccount", cluster, account)


@pytest.fixture
def webhook_in_pod(
    cluster: Cluster, account: Account, credentials: _Credentials, proxy: Proxy, tmp_path: Path
) -> Iterator[Webhook]:
    own = Webhook(cluster, tmp_path, account, "--watch-config-map", api_url=proxy.url, in_pod=credentials.folder)
    yield own
    own.remove()


def test_it_works_with_a_pods_credentials_and_follows_a_renewed_token(
    cluster: Cluster, webhook_in_pod: Webhook, credentials: _Credentials, proxy: Proxy
) -> None:
    first = credentials.renew()
    webhook_in_pod.start()
    started = time.monotonic()
    webhook_in_pod.register()
    namespace = webhook_in_pod.pod_namespace("in-pod")

    def role(name: str) -> str | None:
        cluster.admin.create(service_accounts(namespace), service_account(name, ROLE))
        return role_of(cluster.admin.create(pods(namespace), pod(name, name)))

    assert role("before") == ROLE
    credentials.renew()
    credentials.revoke(1, first)
    wait_until(lambda: time.monotonic() - started > _RELOADS_AGAIN, "the next time to read it", within=_FORGOTTEN)
    proxy.cut()
    proxy.hold_answers("watch=")
    assert role("read-live") == ROLE
    proxy.release()
    assert role("after") == ROLE
    known = "pod_identity_webhook_cache_service_accounts"
    before = webhook_in_pod.metrics()[known]
    cluster.admin.create(service_accounts(namespace), service_account("watched", ROLE))
    wait_until(lambda: webhook_in_pod.metrics()[known] > before, "the watch to go on", within=_FORGOTTEN)
    assert webhook_in_pod.metrics()[_DENIED] == 0


def test_a_token_that_is_renewed_too_late_is_still_adopted(
    cluster: Cluster, webhook_in_pod: Webhook, credentials: _Credentials, proxy: Proxy
) -> None:
    first = credentials.renew()
    webhook_in_pod.start()
    namespace = cluster.namespace("late")
    cluster.admin.create(service_accounts(namespace), service_account("known", ROLE))
    wait_until(lambda: webhook_in_pod.review(namespace, pod("app", "known")).role == ROLE, "the account", within=10)
    credentials.revoke(1, first)
    proxy.cut()
    wait_until(lambda: webhook_in_pod.metrics()[_DENIED] > 0, "401 on the watch", within=_FORGOTTEN)
    assert webhook_in_pod.review(namespace, pod("app", "known")).role == ROLE, "the last state serves on"
    unknown = webhook_in_pod.review(namespace, pod("app", "unknown"))
    assert (unknown.code, "refuses our credentials" in unknown.message) == (500, True)
    assert webhook_in_pod.probe("/readyz") == 200
    credentials.renew()
    cluster.admin.create(service_accounts(namespace), service_account("new", ROLE))
    wait_until(
        lambda: webhook_in_pod.review(namespace, pod("app", "new")).role == ROLE,
        "the new token to be taken up",
        within=_FORGOTTEN,
        last_seen=webhook_in_pod.process.last_lines,
    )
