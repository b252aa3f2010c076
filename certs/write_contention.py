"""Pauses that grow while somebody else keeps undoing what we write. Pure; every time is an aware datetime."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(minutes=5)
CALM: Final = timedelta(minutes=10)
_ENOUGH_TO_CALL_IT_A_FIGHT: Final = 3


@dataclass(frozen=True)
class WriteContention:
    """How often in a row we had to write the same thing again, and when we last did."""

    wanted: Hashable = None
    times: int = 0
    last: datetime | None = None

    def written(self, wanted: Hashable, now: datetime) -> "WriteContention":
        """After another write; writing something new is no contention, nor is a repair after a calm time."""
        calm = self.last is None or not self.last <= now < self.last + CALM
        times = 0 if calm or wanted != self.wanted else self.times
        return WriteContention(wanted, times + 1, now)

    def may_write_at(self, wanted: Hashable, now: datetime) -> datetime:
        """When to write: at once what is new, and the same thing after a pause that doubles each time.

        A clock that was put back ends the pause.
        """
        if wanted != self.wanted or self.last is None or now < self.last:
            return now
        pause = min(FIRST_PAUSE * (1 << min(self.times - 1, 20)), LONGEST_PAUSE)
        return max(now, self.last + pause)

    def is_on(self, now: datetime) -> bool:
        """Whether somebody keeps changing it: for a metric."""
        return self.times >= _ENOUGH_TO_CALL_IT_A_FIGHT and self.last is not None and now < self.last + CALM
