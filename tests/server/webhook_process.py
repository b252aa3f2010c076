"""Runs the webhook as a separate process on free ports of 127.0.0.1; its clients verify its certificate."""

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

WITHIN = 30.0
ANY_PORT = ("--bind-address=127.0.0.1", "--port=0", "--metrics-port=0")
# What runs after `python -m`.
OURS = ("webhook", "serve")
STOCK_UVICORN = ("tests.server.stock_uvicorn",)
SERVES = re.compile(r"serves: https port (\d+), metrics port (\d+)\D")

MANIFESTS = """\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: builder
  namespace: ci
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/builder
"""


def wait_until(condition: Callable[[], bool], what: str, within: float = WITHIN) -> None:
    """Returns once `condition` holds; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        time.sleep(0.01)


class WebhookProcess:
    """A running `python -m webhook serve`; `folder` holds its manifests, its certificate and its log."""

    def __init__(
        self, folder: Path, flags: tuple[str, ...], environ: Mapping[str, str], program: tuple[str, ...] = OURS
    ) -> None:
        self.folder = folder
        self.manifests = folder / "manifests.yaml"
        if not self.manifests.exists():
            self.manifests.write_text(MANIFESTS)
        self.log_file = folder / "log"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", *program, *ANY_PORT),
                    *(f"--service-accounts={self.manifests}", f"--ephemeral-certificate={folder}"),
                    *flags,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**clean_environ(), **environ},
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: text in self.log, f"{text!r} in the log, which is:\n{self.log}")

    def wait_until_serves(self) -> None:
        wait_until(lambda: self.process.poll() is not None or bool(SERVES.search(self.log)), "the start")
        found = SERVES.search(self.log)
        assert found is not None, self.log
        self.port, self.metrics_port = int(found[1]), int(found[2])
        self.tls = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """Yields a client of the HTTPS port that verifies the certificate."""
        with httpx.Client(
            base_url=f"https://localhost:{self.port}", verify=self.tls, timeout=WITHIN, trust_env=False
        ) as client:
            yield client

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Returns the answer of the metrics port."""
        return httpx.get(
            f"http://127.0.0.1:{self.metrics_port}{path}", headers=headers, timeout=WITHIN, trust_env=False
        )

    @contextmanager
    def connection(self) -> Iterator[ssl.SSLSocket]:
        """Yields a bare TLS connection, for requests that an HTTP client would never send."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=WITHIN) as plain,
            self.tls.wrap_socket(plain, server_hostname="localhost") as conn,
        ):
            yield conn

    @property
    def resident_kib(self) -> int:
        """Returns its resident memory in KiB (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def stop(self, signum: int = signal.SIGINT) -> int:
        """Sends a signal, and returns the exit code."""
        self.process.send_signal(signum)
        return self.process.wait(WITHIN)


def clean_environ() -> dict[str, str]:
    """Returns our environment without the variables that set flags."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PIW_")}


@contextmanager
def serving(
    folder: Path, *flags: str, environ: Mapping[str, str] | None = None, program: tuple[str, ...] = OURS
) -> Iterator[WebhookProcess]:
    """Yields a webhook that serves, and stops it at the end unless the test has stopped it."""
    webhook = WebhookProcess(folder, flags, environ or {}, program)
    try:
        webhook.wait_until_serves()
        yield webhook
        if webhook.process.poll() is None:
            assert webhook.stop() == 0, webhook.log
    finally:
        webhook.process.kill()
        webhook.process.wait(WITHIN)
