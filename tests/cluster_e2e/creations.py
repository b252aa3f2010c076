"""Creates pods without pause during operations on the webhook: none may be refused or lack its role."""

import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

import httpx

from tests.cluster_e2e.workloads import REQUIRED, restricted_pod
from tests.e2e.api import Api, ApiError
from tests.e2e.objects import ROLE, pods, role_of

_EVERY_REAL = 25


class Creations:
    """Creates pods that must have their role, one after another in each of two threads, until the context ends.

    Most are dry runs, which take the same path through admission; every 25th is real but fits on no node.
    """

    def __init__(self, api: Api, namespace: str, image: str) -> None:
        self._api = api
        self._path = pods(namespace)
        self._image = image
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._create, args=(number,), daemon=True) for number in range(2)]
        self.patched = Counter[str]()
        self.unpatched: list[str] = []
        self.lost: list[str] = []
        self.slowest = 0.0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    @property
    def summary(self) -> str:
        return (
            f"{self.patched['dry run']} dry runs and {self.patched['real']} real pods patched,"
            f" {len(self.lost)} lost, {len(self.unpatched)} unpatched, slowest {self.slowest:.2f} s"
        )

    def assert_none_lost(self) -> None:
        assert (self.lost, self.unpatched) == ([], []), self.summary
        assert self.patched["dry run"] > 20, self.summary
        assert self.patched["real"], self.summary

    def _create(self, thread: int) -> None:
        number = 0
        while not self._ended.is_set():
            number += 1
            is_real = number % _EVERY_REAL == 0
            name = f"created-{thread}-{time.time_ns()}"
            body = restricted_pod(name, self._image, labels=REQUIRED)
            body["spec"]["nodeSelector"] = {"test.pod-identity-webhook/no-such-node": "true"}
            began = time.monotonic()
            try:
                created = self._api.create(self._path, body, **({} if is_real else {"dryRun": "All"}))
            except (ApiError, httpx.HTTPError) as error:
                self.lost.append(f"{name}, {time.monotonic() - began:.2f} s: {error!r}")
                continue
            self.slowest = max(self.slowest, time.monotonic() - began)
            if role_of(created) == ROLE:
                self.patched["real" if is_real else "dry run"] += 1
            else:
                self.unpatched.append(name)
