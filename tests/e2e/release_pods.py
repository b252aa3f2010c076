"""Creates users' pods without pause during operations on a release, and records the outcome of each."""

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
    """The outcomes of the pods whose creation started during one operation."""

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
        """Checks that no pod was refused and each has its role."""
        assert (self.refused, dict(self.unpatched)) == ({"labelled": [], "unlabelled": []}, {}), (
            str(self),
            self.refused,
        )
        assert min(self.patched["labelled"], self.patched["unlabelled"]) >= _ENOUGH, str(self)


class ReleasePods:
    """Creates pods while the context lasts: one thread with the label that requires a role, one thread without it.

    The pods are dry runs, which take the same path through admission.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._admin = cluster.admin
        self.namespace = cluster.namespace("pods")
        self._admin.create(service_accounts(self.namespace), service_account("app", ROLE))
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
        """Counts pods that start in this context for the operation; waits for some more before it ends."""
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
        """Creates one pod as a dry run and returns the role that it got. Raises ApiError if it is refused."""
        body = pod("app", "app", labels=REQUIRED if kind == "labelled" else {})
        return role_of(self._admin.create(pods(self.namespace), body, dryRun="All"))

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
