"""Creates pods without pause from several clients, and records the outcome of each."""

import threading
from types import TracebackType
from typing import Self

import httpx

from tests.e2e.api import ApiError
from tests.e2e.objects import ROLE
from tests.e2e.replicas import Replicas


class PodLoad:
    """Creates pods of a release while the context lasts. `failures` lists what was wrong with pods.

    If `reconnecting`, the API server makes new connections to the webhook after every few pods. Otherwise it would keep
    its connections, and with them the certificate that it saw first.
    """

    def __init__(self, release: Replicas, *, clients: int = 3, reconnecting: bool = False) -> None:
        self._release = release
        self._changed = threading.Condition()
        self._stopping = False
        self._halted = False
        self._under_way = 0
        self._attempts = 0
        self._threads = [threading.Thread(target=self._create, name="pods", daemon=True) for _ in range(clients)]
        if reconnecting:
            self._threads.append(threading.Thread(target=self._reconnect, name="reconnecting", daemon=True))
        self._few = clients
        self.created = 0
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(30)

    def wait_for_more(self, pods: int) -> None:
        """Waits until `pods` more pods were created."""
        with self._changed:
            wanted = self.created + pods
            assert self._changed.wait_for(lambda: self.created >= wanted, 60), self.failures

    def _reconnect(self) -> None:
        while self._halt_after_a_few():
            try:
                # Only between requests: a request in flight would fail, and the webhook would not be at fault.
                self._release.balancer.end_idle_connections()
            finally:
                with self._changed:
                    self._halted = False
                    self._changed.notify_all()

    def _halt_after_a_few(self) -> bool:
        with self._changed:
            enough = self._attempts + self._few
            self._changed.wait_for(lambda: self._stopping or self._attempts >= enough)
            self._halted = not self._stopping
            self._changed.wait_for(lambda: self._stopping or self._under_way == 0)
            return not self._stopping

    def _create(self) -> None:
        while self._may_begin():
            try:
                role = self._release.create_pod()
                problem = "" if role == ROLE else f"a pod was given the role {role}"
            except (ApiError, httpx.TransportError) as error:
                problem = str(error)
            with self._changed:
                self._under_way -= 1
                self._attempts += 1
                if problem:
                    self.failures.append(problem)
                else:
                    self.created += 1
                self._changed.notify_all()

    def _may_begin(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: not self._halted or self._stopping)
            if not self._stopping:
                self._under_way += 1
            return not self._stopping
