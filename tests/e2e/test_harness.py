"""Tests of the harness: a test that relies on a restart or a 410 proves nothing unless the harness really causes it."""

import signal
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.api import Api, ApiError
from tests.e2e.cluster import ADMIN_TOKEN, Cluster
from tests.e2e.objects import ROLE, ROLE_ANNOTATION, config_maps, pod, pods, service_account, service_accounts
from tests.e2e.process import Process, StartFailed
from tests.e2e.proxy import Proxy
from tests.e2e.rbac import account_with
from tests.e2e.waiting import wait_until

# Excludes the ConfigMap that a controller creates in each namespace, at any time.
_OURS = {"fieldSelector": "metadata.name!=kube-root-ca.crt"}


@pytest.fixture
def proxied(cluster: Cluster, proxy: Proxy) -> Iterator[Api]:
    api = Api(proxy.url, cluster.ca, ADMIN_TOKEN, timeout=1.0)
    yield api
    api.close()


def test_a_service_account_is_created_and_read_back(cluster: Cluster, namespace: str) -> None:
    cluster.admin.create(service_accounts(namespace), service_account("app", ROLE))
    read = cluster.admin.get(f"{service_accounts(namespace)}/app")
    assert read["metadata"]["annotations"] == {ROLE_ANNOTATION: ROLE}


def test_a_pod_is_created_right_after_its_service_account(cluster: Cluster, namespace: str) -> None:
    for number in range(20):
        cluster.admin.create(service_accounts(namespace), service_account(f"app-{number}", ROLE))
        cluster.admin.create(pods(namespace), pod(f"app-{number}", f"app-{number}"))


def test_kubectl_talks_to_the_cluster(cluster: Cluster, namespace: str) -> None:
    shown = cluster.kubectl("get", "namespace", namespace, "--output=name")
    assert (shown.returncode, shown.stdout) == (0, f"namespace/{namespace}\n"), shown.stderr


def test_the_running_version_is_that_of_the_program(cluster: Cluster) -> None:
    major, minor = cluster.version
    assert cluster.admin.get("/version")["gitVersion"].startswith(f"v{major}.{minor}.")


def test_a_crashed_api_server_comes_back_with_its_data(own_cluster: Cluster) -> None:
    namespace = own_cluster.namespace("restart")
    created = own_cluster.admin.create(service_accounts(namespace), service_account("app", ROLE))
    own_cluster.stop_api_server()
    with pytest.raises(httpx.ConnectError):
        own_cluster.admin.get(f"{service_accounts(namespace)}/app")
    own_cluster.start_api_server()
    assert own_cluster.admin.get(f"{service_accounts(namespace)}/app")["metadata"]["uid"] == created["metadata"]["uid"]


def test_a_halted_api_server_takes_requests_and_does_not_answer(own_cluster: Cluster) -> None:
    hasty = Api(own_cluster.url, own_cluster.ca, ADMIN_TOKEN, timeout=1.0)
    own_cluster.api_server.pause()
    with pytest.raises(httpx.TimeoutException):
        hasty.get("/version")
    own_cluster.api_server.resume()
    assert hasty.get("/version")["platform"].startswith("linux/")
    hasty.close()


def test_after_compaction_a_watch_from_before_it_is_gone(own_cluster: Cluster) -> None:
    own_cluster.restart_api_server("--watch-cache=false")
    namespace = own_cluster.namespace("gone")
    path = service_accounts(namespace)
    before = own_cluster.admin.get(path)["metadata"]["resourceVersion"]
    own_cluster.admin.create(path, service_account("app", ROLE))
    own_cluster.compact()
    event = next(own_cluster.admin.watch(path, resourceVersion=before))
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_after_compaction_a_continue_token_from_before_it_has_expired(own_cluster: Cluster) -> None:
    namespace = own_cluster.namespace("expired")
    path = service_accounts(namespace)
    for number in range(3):
        own_cluster.admin.create(path, service_account(f"app-{number}", ROLE))
    token = own_cluster.admin.get(path, limit=1)["metadata"]["continue"]
    own_cluster.compact()
    with pytest.raises(ApiError, match="410: The provided continue parameter is too old"):
        own_cluster.admin.get(path, **{"limit": 1, "continue": token})


def test_an_account_gets_403_outside_its_rules(cluster: Cluster, namespace: str) -> None:
    account = account_with(cluster, namespace)
    user = Api(cluster.url, cluster.ca, account.token)
    assert user.get("/api/v1/serviceaccounts", limit=1)["kind"] == "ServiceAccountList"
    named = {"fieldSelector": "metadata.name=pod-identity-webhook"}
    assert user.get(config_maps(namespace), **named)["kind"] == "ConfigMapList"
    for path in (config_maps(namespace), config_maps("default"), pods(namespace), "/api/v1/secrets"):
        with pytest.raises(ApiError, match=r"403: .*forbidden: User .* cannot list resource"):
            user.get(path)
    with pytest.raises(ApiError, match=r"403: .*cannot create resource"):
        user.create(service_accounts(namespace), service_account("more"))
    user.close()


def test_the_proxy_records_passes_and_cuts(proxy: Proxy, proxied: Api, namespace: str) -> None:
    path = config_maps(namespace)
    assert proxied.get(path, limit=5)["kind"] == "ConfigMapList"
    assert proxy.requests == [f"GET {path}?limit=5"]
    events = proxied.watch(path, within=10, **_OURS)
    proxied.create(path, {"metadata": {"name": "app"}})
    assert next(events)["object"]["metadata"]["name"] == "app"
    proxy.refuse()
    with pytest.raises(httpx.TransportError):
        next(events)
    with pytest.raises(httpx.ConnectError):
        proxied.get(path)
    proxy.accept()
    assert [item["metadata"]["name"] for item in proxied.get(path, **_OURS)["items"]] == ["app"]


def test_the_proxy_holds_a_watch_while_other_requests_pass(proxy: Proxy, proxied: Api, namespace: str) -> None:
    path = config_maps(namespace)
    events = proxied.watch(path, within=10, **_OURS)
    proxied.create(path, {"metadata": {"name": "first"}})
    assert next(events)["object"]["metadata"]["name"] == "first"
    proxy.hold_answers("watch=1")
    proxied.create(path, {"metadata": {"name": "second"}})
    wait_until(lambda: proxy.held, "the watch's event to be held back", within=5)
    names: list[str] = []
    reader = threading.Thread(target=lambda: names.append(next(events)["object"]["metadata"]["name"]))
    reader.start()
    assert len(proxied.get(path, **_OURS)["items"]) == 2
    assert names == []
    proxy.release()
    reader.join(5)
    assert names == ["second"]


def test_the_proxy_holds_requests_back(proxy: Proxy, proxied: Api, namespace: str) -> None:
    proxy.blackhole()
    with pytest.raises(httpx.ReadTimeout):
        proxied.get(service_accounts(namespace))
    proxy.release()
    assert proxied.get(service_accounts(namespace))["kind"] == "ServiceAccountList"


def test_the_proxy_delays_answers(proxy: Proxy, proxied: Api, namespace: str) -> None:
    proxied.get(service_accounts(namespace))
    proxy.delay(0.3)
    started = time.monotonic()
    proxied.get(service_accounts(namespace))
    assert time.monotonic() - started >= 0.3


def test_a_program_that_ends_at_its_start_fails_with_its_log(tmp_path: Path) -> None:
    process = Process([sys.executable, "-c", "print('no such luck'); raise SystemExit(3)"], tmp_path / "log")
    with pytest.raises(StartFailed, match=r"ended with 3\n(.*\n)*no such luck"):
        process.start(lambda: False, within=20)


def test_a_program_that_is_never_ready_is_killed(tmp_path: Path) -> None:
    process = Process(["sleep", "600"], tmp_path / "log")
    with pytest.raises(StartFailed, match=r"sleep: not within 0\.2 s: readiness"):
        process.start(lambda: False, within=0.2)
    assert not process.is_running


def test_a_program_ends_with_the_tests_however_they_end(tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import pathlib, signal
        from tests.e2e.process import Process
        started = Process(["sleep", "600"], pathlib.Path({str(tmp_path / "log")!r}))
        started.start(lambda: pathlib.Path(f"/proc/{{started.pid}}/comm").read_text() == "sleep\\n", within=20)
        print(started.pid, flush=True)
        signal.pause()
        """
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root) as tests:
        assert tests.stdout is not None
        status = Path(f"/proc/{int(tests.stdout.readline())}/stat")
        assert status.exists()
        tests.send_signal(signal.SIGKILL)
    wait_until(
        lambda: not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z",
        "the end of the program whose starter was killed",
        within=10,
    )


def test_the_certificate_of_the_cluster_is_checked(cluster: Cluster) -> None:
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"{cluster.url}/version", verify=ssl.create_default_context(), trust_env=False)
