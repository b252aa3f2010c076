"""Pods of users that are created without pause while something is done to a release, and what became of each."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Literal, Self

import httpx

from tests.e2e.api import ApiError
from tests.e2e.cluster import Cluster
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts

Kind = Literal["labelled", "unlabelled"]
REQUIRED: Final = {"eks.amazonaws.com/require-pod-identity": "true"}
_ENOUGH: Final = 20


class Operation:
    """What became of the pods that were begun while one thing was done."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.patched: Counter[Kind] = Counter()
        self.unpatched: Counter[Kind] = Counter()
        self.refused: dict[Kind, list[str]] = {"labelled": [], "unlabelled": []}

    @property
    def created(self) -> Counter[Kind]:
        return self.patched + self.unpatched

    def __str__(self) -> str:
        counts = (
            f"{kind}: {self.created[kind]} created, {len(self.refused[kind])} refused, {self.unpatched[kind]} unpatched"
            for kind in self.refused
        )
        return f"{self.name}: {'; '.join(counts)}"

    def assert_all_patched(self) -> None:
        """None was refused, and each has its role."""
        assert (self.refused, dict(self.unpatched)) == ({"labelled": [], "unlabelled": []}, {}), (
            str(self),
            self.refused,
        )
        assert min(self.patched["labelled"], self.patched["unlabelled"]) >= _ENOUGH, str(self)


class ReleasePods:
    """Creates pods from entering to leaving the context, labelled as needing their role in one thread, others in one.

    They are dry runs, which take the same way through admission.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._admin = cluster.admin
        self._namespace = cluster.namespace("pods")
        self._admin.create(service_accounts(self._namespace), service_account("app", ROLE))
        self._stopping = False
        self._changed = threading.Condition()
        self._operation = Operation("before")
        kinds: tuple[Kind, ...] = ("labelled", "unlabelled")
        self._threads = [threading.Thread(target=self._create, args=(kind,), name=kind, daemon=True) for kind in kinds]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        for thread in self._threads:
            thread.join(30)

    @contextmanager
    def during(self, name: str) -> Iterator[Operation]:
        """Pods that are begun in this context count for the operation; some are, also after what is done there."""
        operation = self._operation = Operation(name)
        yield operation
        with self._changed:
            wanted = {
                kind: len(operation.refused[kind]) + operation.created[kind] + _ENOUGH for kind in operation.refused
            }
            assert self._changed.wait_for(
                lambda: all(
                    len(operation.refused[kind]) + operation.created[kind] >= number for kind, number in wanted.items()
                ),
                60,
            ), str(operation)

    def create(self, kind: Kind) -> str | None:
        """Has one pod admitted; the role that it was given. Raises ApiError where it is refused."""
        body = pod("app", "app", labels=REQUIRED if kind == "labelled" else {})
        return role_of(self._admin.create(pods(self._namespace), body, dryRun="All"))

    def _create(self, kind: Kind) -> None:
        while not self._stopping:
            operation = self._operation
            problem: str | None = None
            role = None
            try:
                role = self.create(kind)
            except (ApiError, httpx.TransportError) as error:
                problem = repr(error)
            with self._changed:
                if problem is not None:
                    operation.refused[kind].append(problem)
                elif role == ROLE:
                    operation.patched[kind] += 1
                else:
                    operation.unpatched[kind] += 1
                self._changed.notify_all()
