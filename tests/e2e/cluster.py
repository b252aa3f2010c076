"""A real control plane on loopback: etcd, kube-apiserver and, on request, kube-controller-manager."""

import itertools
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from certs.files import write_pair
from certs.issue import Names, issue_ca, issue_leaf, service_names
from tests.e2e.api import Api, Object
from tests.e2e.network import LoopbackNetwork
from tests.e2e.process import Process
from tests.e2e.programs import control_plane, kubectl, kubernetes_version

ADMIN_TOKEN = "admin-of-the-tests"
ISSUER = "https://kubernetes.default.svc"
# A label of namespaces; its value is the namespace of the webhook that the API server calls for their pods.
WEBHOOK_LABEL = "test.pod-identity-webhook/webhook"
_START = 60.0


class Cluster:
    """One control plane with its own network, CA and data; `start` before use, `remove` after it.

    `directory` keeps logs, certificates and kubeconfigs; etcd's data is elsewhere, and `remove` deletes it. `issuer` is
    that of service account tokens; the API server's certificate has its host too.
    """

    def __init__(
        self,
        directory: Path,
        *,
        controller_manager: bool = False,
        issuer: str = ISSUER,
        api_server_flags: Sequence[str] = (),
    ) -> None:
        self.issuer = issuer
        self.directory = directory
        self.network = LoopbackNetwork.claim()
        self.url = f"https://{self.network.server}:6443"
        self._data = Path(tempfile.mkdtemp(prefix="etcd-"))
        self._etcd_url = f"http://{self.network.server}:2379"
        self._numbers = itertools.count(1)
        ca = issue_ca(datetime.now(UTC), common_name="CA of the tests")
        self.ca = ca.certificate.decode()
        names = ["127.0.0.1", "localhost", self.network.server, *service_names("kubernetes", "default")]
        names = [*dict.fromkeys([*names, urlsplit(issuer).hostname or ""])]
        serving = issue_leaf(ca, Names.parse(names), datetime.now(UTC))
        signing = issue_leaf(ca, Names(dns=("service-account-tokens",)), datetime.now(UTC))
        self.serving = write_pair(directory / "serving", ca.certificate, serving)
        self._signing = write_pair(directory / "signing", ca.certificate, signing)
        self.kubeconfig = self.write_kubeconfig("admin", ADMIN_TOKEN)
        program = control_plane("kube-apiserver")
        self.version = kubernetes_version(program)
        self.etcd = Process(self._etcd_command(), directory / "etcd.log")
        self.api_server = Process(
            [str(program), *self._api_server_flags(), *api_server_flags], directory / "kube-apiserver.log"
        )
        self.more_flags: tuple[str, ...] = ()
        """The flags that only the current start of the API server has."""
        self._controllers = self._controller_manager() if controller_manager else None
        self.admin_token = ADMIN_TOKEN
        self.admin = Api(self.url, self.ca, ADMIN_TOKEN)

    def start(self) -> None:
        """Starts all programs that do not run, and returns when the API server is ready. Raises StartFailed."""
        if not self.etcd.is_running:
            self.etcd.start(self._etcd_is_healthy, within=_START)
        if not self.api_server.is_running:
            self.start_api_server()
        if self._controllers is not None and not self._controllers.is_running:
            self._controllers.start(lambda: True, within=_START)

    def start_api_server(self, *more_flags: str) -> None:
        """Starts only the API server, with its data; `more_flags` apply to this start only."""
        command = self.api_server.command
        self.api_server.command = [*command, *more_flags]
        self.more_flags = more_flags
        try:
            self.api_server.start(lambda: self.admin.is_ok("/readyz"), within=_START)
        finally:
            self.api_server.command = command

    def stop_api_server(self) -> None:
        """Kills the API server, as a crash does. A normal stop would wait for its watches to end."""
        self.api_server.kill()

    def restart_api_server(self, *more_flags: str) -> None:
        """Kills and starts the API server; its watch cache then starts with the current state."""
        self.stop_api_server()
        self.start_api_server(*more_flags)

    def remove(self) -> None:
        """Stops all programs and removes etcd's data; the logs stay."""
        self.admin.close()
        for process in (self._controllers, self.api_server, self.etcd):
            if process is not None:
                process.kill()
        shutil.rmtree(self._data, ignore_errors=True)
        self.network.release()

    def compact(self) -> int:
        """Makes etcd drop all revisions before the current one, and returns the current one.

        Afterwards, etcd answers `410 Gone` to every older resourceVersion and continue token.
        """
        # Create a revision that is newer than all that anybody has read so far.
        self.namespace("compaction")
        revision = int(self.etcd_call("/v3/maintenance/status", {})["header"]["revision"])
        self.etcd_call("/v3/kv/compaction", {"revision": str(revision), "physical": True})
        return revision

    def etcd_call(self, path: str, body: Object) -> Any:
        """Calls etcd through its gRPC gateway, so that we need no etcdctl."""
        answer = httpx.post(self._etcd_url + path, json=body, timeout=15, trust_env=False)
        assert answer.is_success, f"etcd {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def namespace(self, purpose: str, *, webhook: str = "none") -> str:
        """Creates a namespace with a unique name; `webhook` is the value of WEBHOOK_LABEL."""
        words = re.sub("[^a-z0-9]+", "-", purpose.removeprefix("test_").lower())
        name = f"{words[:40].strip('-')}-{next(self._numbers)}"
        body = {"metadata": {"name": name, "labels": {WEBHOOK_LABEL: webhook}}}
        self.admin.create("/api/v1/namespaces", body)
        return name

    def write_kubeconfig(self, user: str, token: str, *, server: str | None = None) -> Path:
        """Writes a kubeconfig with a bearer token; `server` is the URL of a proxy, if any. JSON is valid YAML."""
        path = self.directory / f"{user}.kubeconfig"
        cluster = {"server": server or self.url, "certificate-authority": str(self.serving.ca)}
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "e2e", "cluster": cluster}],
                    "users": [{"name": user, "user": {"token": token}}],
                    "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": user}}],
                    "current-context": "e2e",
                }
            )
        )
        path.chmod(0o600)
        return path

    def kubectl(self, *arguments: str, stdin: Object | None = None) -> subprocess.CompletedProcess[str]:
        """Runs kubectl as the admin; the caller must check its exit code."""
        return subprocess.run(
            [str(kubectl()), f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.directory}/kubectl", *arguments],
            input=json.dumps(stdin) if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _etcd_is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self._etcd_url}/health", timeout=1, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def _etcd_command(self) -> list[str]:
        peers = f"http://{self.network.server}:2380"
        return [
            str(control_plane("etcd")),
            f"--data-dir={self._data}",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
        ]

    def _api_server_flags(self) -> list[str]:
        tokens = self.directory / "tokens.csv"
        tokens.write_text(f'{ADMIN_TOKEN},admin,admin,"system:masters"\n')
        tokens.chmod(0o600)
        return [
            f"--etcd-servers={self._etcd_url}",
            f"--bind-address={self.network.server}",
            "--secure-port=6443",
            f"--advertise-address={self.network.server}",
            "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={self.network.services}",
            "--authorization-mode=RBAC",
            # As kubeadm does; without it, the API server refuses Windows' hostProcess pods.
            "--allow-privileged=true",
            f"--token-auth-file={tokens}",
            f"--service-account-issuer={self.issuer}",
            f"--api-audiences={self.issuer}",
            f"--service-account-signing-key-file={self._signing.private_key}",
            f"--service-account-key-file={self._signing.certificate}",
            f"--client-ca-file={self.serving.ca}",
            f"--tls-cert-file={self.serving.certificate}",
            f"--tls-private-key-file={self.serving.private_key}",
        ]

    def _controller_manager(self) -> Process:
        flags = [
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            f"--bind-address={self.network.server}",
            "--secure-port=10257",
            f"--service-account-private-key-file={self._signing.private_key}",
            f"--root-ca-file={self.serving.ca}",
            f"--cert-dir={self.directory}/controller-manager",
        ]
        if self.version < (1, 24):
            flags.append("--port=0")  # turns off the second port, which is plain HTTP and shared by all clusters
        return Process(
            [str(control_plane("kube-controller-manager")), *flags], self.directory / "kube-controller-manager.log"
        )
