"""Decides how long to wait before the next attempt."""

import random
from typing import Final

FIRST_SECONDS: Final = 0.5
MAX_SECONDS: Final = 15.0


class Backoff:
    """Waits that double from `first` to `most` seconds. A random cut of up to a half keeps replicas apart in time."""

    def __init__(self, first: float = FIRST_SECONDS, most: float = MAX_SECONDS) -> None:
        self._first = first
        self._most = most
        self._next = first

    def next(self) -> float:
        """Returns the seconds to wait now, and doubles the next wait."""
        seconds, self._next = self._next, min(self._next * 2, self._most)
        return seconds * random.uniform(0.5, 1)  # noqa: S311 - an attacker gains nothing by guessing it

    def reset(self) -> None:
        """Starts again from `first`; call it after a success."""
        self._next = self._first
