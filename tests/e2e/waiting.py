"""Waits for another process: always with a deadline, and always with a reason if the deadline passes."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_ASKED_EVERY = 0.02


class NeverHappened(AssertionError):
    """The condition did not become true in time. The message says which, after how long, and the last observation."""


def wait_until(
    condition: Callable[[], T | None], what: str, *, within: float, last_seen: Callable[[], object] = str
) -> T:
    """Calls `condition` until its result is true, for at most `within` seconds; returns that result.

    Raises NeverHappened with `what` and the result of `last_seen`.
    """
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise NeverHappened(f"not within {within:g} s: {what}. {last_seen()}".rstrip())
        time.sleep(_ASKED_EVERY)
