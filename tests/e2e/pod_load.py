"""Pods that are created without pause, by several clients at once, and what became of each."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import httpx

from tests.e2e.api import ApiError
from tests.e2e.objects import ROLE
from tests.e2e.replicas import Replicas


class PodLoad:
    """Creates pods of a release from entering to leaving the context. `failures`: what was wrong with a pod or two."""

    def __init__(self, release: Replicas, *, clients: int = 3) -> None:
        self._release = release
        self._changed = threading.Condition()
        self._stopping = False
        self._halted = False
        self._under_way = 0
        self._threads = [threading.Thread(target=self._create, name="pods", daemon=True) for _ in range(clients)]
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
        for thread in self._threads:
            thread.join(30)

    def wait_for_more(self, pods: int) -> None:
        """Waits until so many more pods were created."""
        with self._changed:
            wanted = self.created + pods
            assert self._changed.wait_for(lambda: self.created >= wanted, 60), self.failures

    @contextmanager
    def between_requests(self) -> Iterator[None]:
        """While no pod is under way."""
        with self._changed:
            self._halted = True
            assert self._changed.wait_for(lambda: self._under_way == 0, 60)
        try:
            yield
        finally:
            with self._changed:
                self._halted = False
                self._changed.notify_all()

    def _create(self) -> None:
        while self._may_begin():
            try:
                role = self._release.create_pod()
                problem = "" if role == ROLE else f"a pod was given the role {role}"
            except (ApiError, httpx.TransportError) as error:
                problem = str(error)
            with self._changed:
                self._under_way -= 1
                if problem:
                    self.failures.append(problem)
                else:
                    self.created += 1
                self._changed.notify_all()

    def _may_begin(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: not self._halted)
            if not self._stopping:
                self._under_way += 1
            return not self._stopping
