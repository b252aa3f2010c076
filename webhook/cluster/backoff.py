"""How long to wait before the next try."""

import random
from typing import Final

FIRST_SECONDS: Final = 0.5
MAX_SECONDS: Final = 15.0


class Backoff:
    """Waits that double from `first` to `most` seconds, each cut by up to a half at random: replicas spread out."""

    def __init__(self, first: float = FIRST_SECONDS, most: float = MAX_SECONDS) -> None:
        self._first = first
        self._most = most
        self._next = first

    def next(self) -> float:
        """The seconds to wait now; more the next time."""
        seconds, self._next = self._next, min(self._next * 2, self._most)
        return seconds * random.uniform(0.5, 1)  # noqa: S311 - nobody gains by guessing it

    def reset(self) -> None:
        """Starts over, after a success."""
        self._next = self._first
