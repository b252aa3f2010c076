"""Waiting for what another process does: always until a deadline, and always with a reason when it passes."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_ASKED_EVERY = 0.02


class NeverHappened(AssertionError):
    """What was waited for did not happen in time. The message says what, how long, and what was seen last."""


def wait_until(
    condition: Callable[[], T | None], what: str, *, within: float, last_seen: Callable[[], object] = str
) -> T:
    """The first true value of `condition`, asked for again and again for `within` seconds.

    Raises NeverHappened, with `what` and with what `last_seen` then returns.
    """
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise NeverHappened(f"not within {within:g} s: {what}. {last_seen()}".rstrip())
        time.sleep(_ASKED_EVERY)
