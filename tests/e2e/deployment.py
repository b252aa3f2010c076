"""Runs a Deployment from the API server on this machine; acts as its controller, kubelets and kube-proxy."""

import itertools
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx

from tests.e2e.api import ApiError, Object
from tests.e2e.balancer import Backend, Balancer
from tests.e2e.cluster import Cluster
from tests.e2e.kubelet_pod import Pod
from tests.e2e.waiting import wait_until

_LOOKED_AT_EVERY: Final = 0.1
# The numbers of pod addresses in the cluster's /16. Their third octet starts at 2: the API server has 0, Services 1.
_PODS: Final = itertools.count(2 * 256 + 1)


class Deployment:
    """Follows the Deployment and the Service of one name until `close`: rolls out, balances and ends pods.

    As in a cluster, it learns of changes only from the API server. `trouble` lists what a healthy webhook never does.
    """

    def __init__(self, cluster: Cluster, directory: Path, namespace: str, name: str) -> None:
        self._cluster = cluster
        self._directory = directory
        self._namespace = namespace
        self._path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        self._service_path = f"/api/v1/namespaces/{namespace}/services/{name}"
        self._service: Object | None = None
        self._balancer: Balancer | None = None
        self._pods: list[Pod] = []
        self._problems: list[str] = []
        # Kubelet probes like this: with a new connection each time, and without checking the certificate.
        self._client = httpx.Client(
            verify=False, limits=httpx.Limits(max_keepalive_connections=0), trust_env=False, timeout=5
        )
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deployment", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Kills all pods."""
        self._closing.set()
        self._thread.join(60)
        if self._balancer is not None:
            self._balancer.close()
        for pod in self._pods:
            pod.process.kill()
        self._client.close()

    @property
    def balancer(self) -> Balancer:
        """Returns what balances the Service; there must be one."""
        assert self._balancer is not None
        return self._balancer

    @property
    def pods(self) -> list[Pod]:
        """Returns the pods that are not ending."""
        return [pod for pod in self._pods if not pod.is_ending]

    @property
    def trouble(self) -> list[str]:
        return [*self._problems, *(trouble for pod in list(self._pods) for trouble in pod.trouble)]

    def wait_reachable(self, *, within: float = 180.0) -> None:
        """Waits until the Service has a ready pod."""
        wait_until(
            lambda: self._balancer is not None and self._balancer.ready,
            "a pod of the Service to be ready",
            within=within,
            last_seen=self.last_lines,
        )

    def wait_rolled_out(self, *, within: float = 180.0) -> None:
        """Waits until all pods have the newest template, are ready and known to nodes, and the others have ended."""
        wait_until(self._is_rolled_out, "the rollout", within=within, last_seen=self.last_lines)

    def wait_ended(self, *, within: float = 90.0) -> None:
        """Waits until all pods have ended."""
        wait_until(lambda: all(pod.has_ended for pod in self._pods), "their end", within=within)

    def log_text(self) -> str:
        """Returns the logs of all pods, past and present."""
        return "".join(pod.process.log_text() for pod in self._pods if pod.process.log.exists())

    def last_lines(self) -> str:
        return "\n".join([*self.trouble, *(pod.process.last_lines() for pod in self.pods if pod.process.log.exists())])

    def _is_rolled_out(self) -> bool:
        assert not self.trouble, self.trouble
        wanted = self._read(self._path)
        assert wanted is not None
        going = [pod for pod in list(self._pods) if not pod.has_ended]
        balancer = self._balancer
        return len(going) == wanted["spec"]["replicas"] and all(
            pod.is_ready
            and not pod.is_ending
            and pod.template == wanted["spec"]["template"]
            and balancer is not None
            and pod.address in {backend.address for backend in balancer.ready}
            for pod in going
        )

    def _run(self) -> None:
        while not self._closing.wait(_LOOKED_AT_EVERY):
            try:
                self._follow_service()
                self._roll(self._read(self._path))
                for pod in self._pods:
                    pod.step(self._client)
            except Exception as error:  # noqa: BLE001 - `trouble` reports it to the waiting test
                if repr(error) not in self._problems:
                    self._problems.append(repr(error))

    def _follow_service(self) -> None:
        self._service = self._read(self._service_path)
        if self._service is not None and self._balancer is None:
            self._balancer = Balancer(self._service["spec"]["clusterIP"], self._backends)
        elif self._service is None and self._balancer is not None:
            self._balancer.close()
            self._balancer = None

    def _backends(self) -> list[Backend]:
        """Returns the endpoints of the Service's first port."""
        service = self._service
        if service is None:
            return []
        target = next(port["targetPort"] for port in service["spec"]["ports"] if port["port"] == 443)
        return [Backend(pod.port(target), None, pod.address) for pod in list(self._pods) if pod.is_in_service]

    def _roll(self, deployment: Object | None) -> None:
        """Does one step of the strategy RollingUpdate, as Kubernetes' `deployment/rolling.go` does."""
        going = self.pods
        if deployment is None:
            for pod in going:
                pod.end()
            return
        spec = deployment["spec"]
        wanted, limits = int(spec["replicas"]), spec["strategy"]["rollingUpdate"]
        surge = _count(limits["maxSurge"], wanted, math.ceil)
        unavailable = _count(limits["maxUnavailable"], wanted, math.floor)
        new = [pod for pod in going if pod.template == spec["template"]]
        if len(new) < wanted and len(going) < wanted + surge:
            self._pods.append(self._pod(spec["template"]))
        others = [pod for pod in going if pod not in new] + new[wanted:]
        ready = sum(pod.is_ready for pod in going)
        for pod in sorted(others, key=lambda pod: pod.is_ready):
            if pod.is_ready:
                if ready <= wanted - unavailable:
                    break
                ready -= 1
            pod.end()

    def _pod(self, template: Object) -> Pod:
        number = next(_PODS)
        address = f"127.{self._cluster.network.number}.{number // 256}.{number % 256}"
        return Pod(self._cluster, self._directory / f"pod-{number}", self._namespace, template, address)

    def _read(self, path: str) -> Object | None:
        try:
            return self._cluster.admin.get(path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise


def _count(limit: int | str, of: int, rounded: Callable[[float], int]) -> int:
    """Returns a number of pods from a limit that is a number or a percentage."""
    return rounded(int(limit.removesuffix("%")) / 100 * of) if isinstance(limit, str) else limit
