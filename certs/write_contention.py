"""Pauses that grow while somebody else keeps reverting our writes. Pure; every time is an aware datetime."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(minutes=5)
CALM: Final = timedelta(minutes=10)
_CONTENTION_FROM: Final = 3  # writes in a row


@dataclass(frozen=True)
class WriteContention:
    """How many times in a row we have written the same content, and when we last did."""

    wanted: Hashable = None
    times: int = 0
    last: datetime | None = None

    def written(self, wanted: Hashable, now: datetime) -> "WriteContention":
        """Returns the value after one more write. New content, or a write after a calm period, restarts the count."""
        calm = self.last is None or not self.last <= now < self.last + CALM
        times = 0 if calm or wanted != self.wanted else self.times
        return WriteContention(wanted, times + 1, now)

    def may_write_at(self, wanted: Hashable, now: datetime) -> datetime:
        """Returns when to write: new content at once, the same content after a pause that doubles each time.

        The pause ends if the clock was set back.
        """
        if wanted != self.wanted or self.last is None or now < self.last:
            return now
        pause = min(FIRST_PAUSE * (1 << min(self.times - 1, 20)), LONGEST_PAUSE)
        return max(now, self.last + pause)

    def is_on(self, now: datetime) -> bool:
        """Whether somebody keeps reverting our writes; for a metric."""
        return self.times >= _CONTENTION_FROM and self.last is not None and now < self.last + CALM
