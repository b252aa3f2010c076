"""Access to the API server: in a pod, with a kubeconfig, a client certificate or an exec plugin."""

import asyncio
import base64
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import pytest

from tests.cluster.api_server import Answer, ApiServer, Request, answers, fails
from tests.cluster.kubeconfig import kubeconfig, plugin
from tests.cluster.pki import Pki
from webhook.cluster.access import AccessSettings
from webhook.cluster.api_errors import (
    ApiError,
    ClusterConfigError,
    Unreachable,
)
from webhook.cluster.client import KubernetesClient
from webhook.cluster.resource import Resource

ACCOUNTS = Resource("serviceaccounts")

pytestmark = pytest.mark.usefixtures("no_surroundings")


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


@asynccontextmanager
async def in_pod(
    server: ApiServer, pki: Pki, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> AsyncIterator[tuple[KubernetesClient, Path]]:
    """Yields a client as in a pod: the server's address is in the environment, the token and CA are in files."""
    host, port = server.url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    files = folder / "serviceaccount"
    files.mkdir()
    (files / "ca.crt").write_bytes(pki.ca.read_bytes())
    (files / "token").write_text("first\n")
    (files / "namespace").write_text("hooks")
    async with KubernetesClient(AccessSettings(in_cluster_files=files)) as client:
        yield client, files / "token"


async def test_in_a_pod_the_namespace_is_the_pods(pki: Pki, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = ApiServer(every=answers)
    async with server.running(pki.context()), in_pod(server, pki, monkeypatch, tmp_path) as (client, token):
        assert client.namespace == "hooks"
        token.with_name("namespace").unlink()
        async with KubernetesClient(AccessSettings(in_cluster_files=token.parent)) as other:
            assert other.namespace == ""


async def test_reads_the_pods_token_again_when_it_has_rotated(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(seconds=61)

    server = ApiServer(every=answers)
    async with server.running(pki.context()), in_pod(server, pki, monkeypatch, tmp_path) as (client, token):
        await client.get(ACCOUNTS)
        token.write_text("second\n")
        await client.get(ACCOUNTS)
        monkeypatch.setattr("kubernetes.aio.config.incluster_config.datetime.datetime", Later)
        await client.get(ACCOUNTS)
        assert [request.headers["authorization"] for request in server.requests] == [
            "bearer first",
            "bearer first",
            "bearer second",
        ]


async def test_a_refused_token_is_read_again_and_the_request_sent_again(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def by_token(request: Request, answer: Answer) -> None:
        good = request.headers["authorization"] == "bearer second"
        await (answers if good else fails(401, "Unauthorized"))(request, answer)

    server = ApiServer(every=by_token)
    async with server.running(pki.context()), in_pod(server, pki, monkeypatch, tmp_path) as (client, token):
        client._loaded_at -= 60
        token.write_text("second")
        await asyncio.gather(*(client.get(ACCOUNTS) for _ in range(5)))
        token.write_text("third")
        await client.get(ACCOUNTS)
        assert {request.headers["authorization"] for request in server.requests} == {
            "bearer first",
            "bearer second",
        }


async def test_a_token_that_stays_refused_is_not_read_at_each_request(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = ApiServer(every=fails(401, "Unauthorized"))
    async with server.running(pki.context()), in_pod(server, pki, monkeypatch, tmp_path) as (client, _):
        client._loaded_at -= 60
        for _ in range(3):
            with pytest.raises(ApiError, match="the API server refuses our credentials") as caught:
                await client.get(ACCOUNTS)
            assert caught.value.status == 401
        assert len(server.requests) == 4


async def test_a_pod_without_its_token_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")

    with pytest.raises(ClusterConfigError, match=r"cannot be read: .* \(is automountServiceAccountToken false\?\)"):
        async with KubernetesClient(AccessSettings(in_cluster_files=tmp_path)):
            pass


async def test_uses_the_client_certificate_from_kubeconfig(pki: Pki, tmp_path: Path) -> None:
    server = ApiServer(every=answers)
    async with server.running(pki.context(asks_for_certificates=True)):
        for user in (
            {"client-certificate": str(pki.client[0]), "client-key": str(pki.client[1])},
            {
                "client-certificate-data": base64.b64encode(pki.client[0].read_bytes()).decode(),
                "client-key-data": base64.b64encode(pki.client[1].read_bytes()).decode(),
            },
        ):
            path = kubeconfig(tmp_path / "config", server.url, pki.ca, user)
            async with KubernetesClient(AccessSettings(kubeconfig=path)) as client:
                await client.get(ACCOUNTS)
    for request in server.requests:
        assert request.subject == ((("commonName", "client"),),)
        assert "authorization" not in request.headers
    assert len(server.requests) == 2


async def test_uses_a_renewed_client_certificate_once_the_old_one_is_refused(pki: Pki, tmp_path: Path) -> None:
    async def only_server(request: Request, answer: Answer) -> None:
        renewed = request.subject == ((("commonName", "server"),),)
        await (answers if renewed else fails(401, "Unauthorized"))(request, answer)

    server = ApiServer(every=only_server)
    async with server.running(pki.context(asks_for_certificates=True)):
        user = {"client-certificate": str(pki.client[0]), "client-key": str(pki.client[1])}
        path = kubeconfig(tmp_path / "config", server.url, pki.ca, user)
        async with KubernetesClient(AccessSettings(kubeconfig=path)) as client:
            client._loaded_at -= 60
            for old, new in zip(pki.client, pki.server, strict=True):
                old.write_bytes(new.read_bytes())
            await client.get(ACCOUNTS)
    assert [request.subject[0][0][1] for request in server.requests] == ["client", "server"]


async def test_asks_the_exec_plugin_again_before_its_token_ends(pki: Pki, tmp_path: Path) -> None:
    server = ApiServer(every=answers)
    ends = (datetime.now(UTC) + timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    user = plugin(tmp_path, {"token": "tCOUNT", "expirationTimestamp": ends})
    async with server.running(pki.context()):
        path = kubeconfig(tmp_path / "config", server.url, pki.ca, user)
        async with KubernetesClient(AccessSettings(kubeconfig=path)) as client:
            await client.get(ACCOUNTS)
            client._loaded_at -= 60
            await client.get(ACCOUNTS)
            await client.get(ACCOUNTS)
    tokens = [request.headers["authorization"] for request in server.requests]
    assert tokens == ["Bearer t1", "Bearer t2", "Bearer t2"]


async def test_takes_a_certificate_from_an_exec_plugin(pki: Pki, tmp_path: Path) -> None:
    server = ApiServer(every=answers)
    user = plugin(
        tmp_path,
        {"clientCertificateData": pki.client[0].read_text(), "clientKeyData": pki.client[1].read_text()},
    )
    async with server.running(pki.context(asks_for_certificates=True)):
        path = kubeconfig(tmp_path / "config", server.url, pki.ca, user)
        async with KubernetesClient(AccessSettings(kubeconfig=path)) as client:
            await client.get(ACCOUNTS)
    assert server.requests[0].subject == ((("commonName", "client"),),)


async def test_an_exec_plugin_that_fails_is_reported(pki: Pki, tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/nowhere/plugin"}}
    path = kubeconfig(tmp_path / "config", "https://127.0.0.1:1", pki.ca, user)
    with pytest.raises(ClusterConfigError, match="the exec plugin of user 'u' gave no credentials"):
        async with KubernetesClient(AccessSettings(kubeconfig=path)):
            pass


async def test_uses_the_given_context_and_prefers_the_given_url(
    pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ApiServer(every=answers)
    async with server.running(pki.context()):
        path = kubeconfig(tmp_path / "config", "https://192.0.2.1:1", pki.ca, {"token": "t"})
        monkeypatch.setenv("KUBECONFIG", path)
        for context in ("", "two"):
            async with KubernetesClient(AccessSettings(context=context, kube_api=server.url)) as client:
                await client.get(ACCOUNTS)
    tokens = [request.headers["authorization"] for request in server.requests]
    assert tokens == ["Bearer t", "Bearer of-another"]


@pytest.mark.parametrize(
    ("content", "context", "problem"),
    [
        (None, "", "no such kubeconfig$"),
        ("{", "", "not a usable kubeconfig"),
        ("[]", "", "not a usable kubeconfig"),
        ("a: 1\nb: [\n", "", "not a usable kubeconfig: line 3: expected the node content, but found .*$"),
        ("\x00", "", "not a usable kubeconfig: it is not YAML in UTF-8$"),
        ("", "", "not a usable kubeconfig: it, or a part of it, is not the YAML mapping that it should be$"),
        ("<html></html>", "", "is not the YAML mapping that it should be$"),
        ("{}", "", "Invalid kube-config file. Expected key"),
        ('{"current-context": "x", "contexts": [], "clusters": [], "users": []}', "nowhere", "with name nowhere"),
    ],
)
async def test_a_kubeconfig_that_cannot_be_used_is_named(
    tmp_path: Path, content: str | None, context: str, problem: str
) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ClusterConfigError, match=f"^{re.escape(str(path))}: .*{problem}"):
        async with KubernetesClient(AccessSettings(kubeconfig=str(path), context=context)):
            pass


async def test_a_kubeconfig_that_cannot_be_looked_up_is_named(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300)

    with pytest.raises(ClusterConfigError, match=f"^{tmp_path}/x+: File name too long$"):
        async with KubernetesClient(AccessSettings(kubeconfig=str(path))):
            pass


async def test_a_huge_kubeconfig_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "config"
    with path.open("wb") as file:
        file.truncate(17 * 1024 * 1024)

    with pytest.raises(ClusterConfigError, match=f"^{path}: not a usable kubeconfig: it is larger than 16777216 bytes"):
        async with KubernetesClient(AccessSettings(kubeconfig=str(path))):
            pass


async def test_without_any_configuration_says_what_to_set() -> None:
    with pytest.raises(ClusterConfigError, match="we do not run in a pod, so set --kubeconfig or KUBECONFIG"):
        async with KubernetesClient(AccessSettings()):
            pass


async def test_a_server_with_another_ca_is_refused(pki: Pki, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Pki(tmp_path / "other")

    server = ApiServer(every=answers)
    async with server.running(other.context()):
        path = kubeconfig(tmp_path / "config", server.url, pki.ca, {"token": "secret"})
        async with KubernetesClient(AccessSettings(kubeconfig=path)) as client:
            with pytest.raises(
                Unreachable, match=r"has a certificate that does not verify: .* \(check certificate-authority in"
            ):
                await client.get(ACCOUNTS)
    assert server.requests == []


async def test_no_secret_gets_into_the_log_or_a_repr(
    pki: Pki, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    server = ApiServer([answers, fails(401, "Unauthorized"), fails(403, "Forbidden")])
    async with server.running(pki.context()):
        path = kubeconfig(tmp_path / "config", server.url, pki.ca, {"token": "t0p-secret"})
        async with KubernetesClient(AccessSettings(kubeconfig=path)) as client:
            await client.get(ACCOUNTS)
            texts = [repr(client), repr(client._access), repr(vars(client))]
            for _ in range(2):
                with pytest.raises(ApiError) as caught:
                    await client.get(ACCOUNTS)
                texts.append(repr(caught.value))
    assert server.requests[0].headers["authorization"] == "Bearer t0p-secret"
    assert "t0p-secret" not in "".join(texts) + caplog.text
