"""Measures pauses of the event loop: while it is blocked, the process answers neither reviews nor probes."""

import asyncio
from collections import deque
from typing import Final

_TICK: Final = 0.1
_REMEMBERED: Final = 300.0


class LoopPauses:
    """Records how late a timer of the running loop is; the caller runs `run`."""

    def __init__(self) -> None:
        # The longest recent pauses as (when, seconds); each is longer than all after it.
        self._pauses: deque[tuple[float, float]] = deque()

    def longest(self) -> float:
        """Returns the longest pause of the last five minutes, in seconds."""
        now = asyncio.get_running_loop().time()
        while self._pauses and self._pauses[0][0] < now - _REMEMBERED:
            self._pauses.popleft()
        return self._pauses[0][1] if self._pauses else 0.0

    def note(self, when: float, seconds: float) -> None:
        """Records a pause that ended at `when`, in the loop's time."""
        while self._pauses and self._pauses[-1][1] <= seconds:
            self._pauses.pop()
        self._pauses.append((when, seconds))

    async def run(self) -> None:
        """Measures until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _TICK
            await asyncio.sleep(_TICK)
            now = loop.time()
            self.note(now, max(0.0, now - due))
