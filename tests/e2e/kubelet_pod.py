"""Runs one pod as kubelet does: its container is a process with its own address, volumes and probes."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.e2e.api import ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.kubelet_volumes import Folder, files_of
from tests.e2e.objects import service_accounts
from tests.e2e.process import Process

_ROOT: Final = Path(__file__).parents[2]
_IN_POD: Final = Path(__file__).with_name("in_pod.py")
# For this time (seconds) after the signal, nodes still send to a pod that ends: they learn of its end separately.
_LEARNED_AFTER: Final = 1.0
_VOLUMES_EVERY: Final = 1.0


@dataclass
class _Probe:
    """A probe that runs repeatedly, and the number of its failures in a row."""

    url: str
    timeout: float
    allowed: int
    succeeded: bool = False
    failed: int = 0

    def ask(self, client: httpx.Client) -> None:
        if not self.url:
            return
        try:
            code = client.get(self.url, timeout=self.timeout).status_code
        except httpx.TransportError:
            code = 0
        is_success = 200 <= code < 400
        self.failed = 0 if is_success else self.failed + 1
        self.succeeded = is_success or (self.succeeded and self.failed < self.allowed)


class Pod:
    """A pod from a Deployment's template. Repeated calls of `step` act as its kubelet; `trouble` lists problems.

    The pod differs from the template in two ways: it gets `--bind-address`, because all pods run on this machine, and
    mount paths in its arguments become folders of the test.
    """

    def __init__(self, cluster: Cluster, directory: Path, namespace: str, template: Object, address: str) -> None:
        self.template = template
        self.address = address
        self.trouble: list[str] = []
        self._cluster = cluster
        self._namespace = namespace
        self._spec: Object = template["spec"]
        (self._container,) = self._spec["containers"]
        self._ports = {port["name"]: int(port["containerPort"]) for port in self._container["ports"]}
        self._volumes = {volume["name"]: volume for volume in self._spec.get("volumes", [])}
        self._folders = {name: Folder(directory / "volumes" / name) for name in self._volumes}
        self._credentials = Folder(directory / "serviceaccount")
        self._startup, self._readiness, self._liveness = map(
            self._probe, ("startupProbe", "readinessProbe", "livenessProbe")
        )
        self._is_started = False
        self._fresh_until = 0.0
        self._told_to_end: float | None = None
        self._code: int | None = None
        server = urlsplit(cluster.url)
        self._environ = {
            "PYTHONPATH": str(_ROOT),
            "KUBERNETES_SERVICE_HOST": str(server.hostname),
            "KUBERNETES_SERVICE_PORT": str(server.port),
            **{variable["name"]: variable["value"] for variable in self._container.get("env", [])},
        }
        self.process = Process(self._command(), directory / "log", self._environ)

    @property
    def is_ending(self) -> bool:
        return self._told_to_end is not None

    @property
    def has_ended(self) -> bool:
        return self.is_ending and not self.process.is_running

    @property
    def is_ready(self) -> bool:
        return self.process.is_running and self._startup.succeeded and self._readiness.succeeded

    @property
    def is_in_service(self) -> bool:
        """Whether nodes send requests to it."""
        if self._told_to_end is not None:
            return self.is_ready and time.monotonic() < self._told_to_end + _LEARNED_AFTER
        return self.is_ready

    def port(self, name_or_number: Any) -> int:
        """Returns a port by the name or number that a Service or probe uses."""
        return self._ports[name_or_number] if isinstance(name_or_number, str) else int(name_or_number)

    def served(self) -> bytes:
        """Returns the certificate that a new connection gets, as PEM."""
        pem = ssl.get_server_certificate((self.address, self._ports["https"]), timeout=10)
        return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.PEM)

    def execute(self, *words: str, hosts: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Runs a command of the image in the pod, as `kubectl exec` does; `hosts` is what DNS tells there."""
        program, *arguments = words
        assert program == "pod-identity-webhook"
        first = {"TEST_FIRST_PROCESS": f"/proc/{self.process.pid}/cmdline", "TEST_HOSTS": json.dumps(dict(hosts))}
        return subprocess.run(
            [sys.executable, str(_IN_POD), str(self._credentials.path), *arguments],
            env={**os.environ, **self._environ, **first},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def metric(self, name: str) -> float:
        """Returns the value of a metric; `name` includes its labels."""
        url = f"http://{self.address}:{self._ports['metrics']}/metrics"
        lines = httpx.get(url, timeout=5, trust_env=False).raise_for_status().text.splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))

    def step(self, client: httpx.Client) -> None:
        """Starts the pod when its volumes exist, refreshes them, runs its probes, and kills it if it does not end."""
        if not self._is_started:
            if not self.is_ending and self._refresh():
                self._start()
        elif self.is_ending:
            self._look_at_end()
        elif not self.process.is_running:
            self.trouble.append(f"it ended by itself\n{self.process.last_lines()}")
            self._told_to_end = time.monotonic()
        else:
            if time.monotonic() >= self._fresh_until:
                self._refresh()
            self._ask(client)

    def end(self) -> None:
        """Sends the pod SIGTERM, as kubelet does; nodes learn of its end later."""
        self._told_to_end = time.monotonic()
        if self.process.is_running:
            os.kill(self.process.pid, signal.SIGTERM)

    def _start(self) -> None:
        # The token is bound to no object: the API server may have a pod, but not this one.
        path = f"{service_accounts(self._namespace)}/{self._spec['serviceAccountName']}/token"
        try:
            made = self._cluster.admin.create(path, {"spec": {"expirationSeconds": 3600}})
        except ApiError as error:
            if error.code == 404:
                # Manifests may arrive in any order: wait until the ServiceAccount exists too.
                return
            raise
        token = str(made["status"]["token"])
        files = {"token": token, "ca.crt": self._cluster.ca, "namespace": self._namespace}
        self._credentials.put({name: text.encode() for name, text in files.items()})
        self.process.start(lambda: True, within=5)
        self._is_started = True

    def _ask(self, client: httpx.Client) -> None:
        if not self._startup.succeeded:
            self._startup.ask(client)
            return
        self._readiness.ask(client)
        self._liveness.ask(client)
        if self._liveness.failed == self._liveness.allowed:
            self.trouble.append(f"kubelet would restart it\n{self.process.last_lines()}")

    def _look_at_end(self) -> None:
        assert self._told_to_end is not None
        grace = float(self._spec["terminationGracePeriodSeconds"])
        if self.process.is_running:
            if time.monotonic() > self._told_to_end + grace:
                self.trouble.append(f"it did not end within {grace:g} s\n{self.process.last_lines()}")
                self.process.kill()
        elif self._code is None:
            self._code = self.process.stop()
            if self._code != 0:
                self.trouble.append(f"it ended with {self._code}\n{self.process.last_lines()}")

    def _refresh(self) -> bool:
        """Updates the volumes and returns whether all exist. A deleted object stays mounted."""
        found = {name: files_of(self._cluster.admin, self._namespace, volume) for name, volume in self._volumes.items()}
        for name, content in found.items():
            if content is not None:
                self._folders[name].put(content)
        self._fresh_until = time.monotonic() + _VOLUMES_EVERY
        return None not in found.values()

    def _command(self) -> list[str]:
        program, *rest = self._container["command"]
        assert program == "pod-identity-webhook"
        arguments = [*rest, *self._container["args"]]
        for mount in self._container.get("volumeMounts", []):
            folder = str(self._folders[mount["name"]].path)
            arguments = [argument.replace(mount["mountPath"], folder) for argument in arguments]
        return [sys.executable, str(_IN_POD), str(self._credentials.path), *arguments, f"--bind-address={self.address}"]

    def _probe(self, name: str) -> _Probe:
        spec = self._container.get(name)
        if spec is None:
            return _Probe("", 0, 0, succeeded=True)
        get = spec["httpGet"]
        url = f"{get.get('scheme', 'HTTP').lower()}://{self.address}:{self.port(get['port'])}{get['path']}"
        return _Probe(url, spec["timeoutSeconds"], spec["failureThreshold"])
