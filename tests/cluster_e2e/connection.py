"""Connects to the cluster that KUBECONFIG names, through `kubectl proxy`, which supports every way to log in."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import httpx

from tests.e2e.api import Api
from tests.e2e.clients import Clients
from tests.e2e.programs import kubectl


class ProxiedApi(Api):
    """The API through a local proxy that adds the credentials."""

    def __init__(self, url: str, *, timeout: float = 40.0) -> None:
        self.url = url
        self._clients = Clients(lambda: httpx.Client(base_url=url, timeout=timeout, trust_env=False))

    def log(self, namespace: str, pod: str, container: str = "") -> str:
        """Returns a container's log so far, by default of the pod's only container; empty if there is none yet."""
        which = {"container": container} if container else {}
        answer = self._clients.mine.get(f"/api/v1/namespaces/{namespace}/pods/{pod}/log", params=which)
        return answer.text if answer.is_success else ""


@contextmanager
def connected() -> Iterator[ProxiedApi]:
    """Yields the API as the user in KUBECONFIG, while the context lasts."""
    proxy = subprocess.Popen(
        [str(kubectl()), "proxy", "--port=0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ,
    )
    try:
        assert proxy.stdout is not None
        api = ProxiedApi(f"http://{_address(proxy.stdout)}")
        try:
            yield api
        finally:
            api.close()
    finally:
        proxy.kill()
        proxy.communicate(timeout=10)


def _address(output: IO[str]) -> str:
    said = output.readline()
    found = re.search(r"127\.0\.0\.1:\d+", said)
    assert found is not None, f"kubectl proxy: {said}{output.read()}"
    return found[0]
