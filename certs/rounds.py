"""A loop that repeats one task until it is cancelled. A wake-up starts the next round at once.

A failure never ends the loop; failures in a row make its pauses longer. The loop reads the wall clock at least every
minute: clocks jump and virtual machines pause, so it trusts no timer for longer.
"""

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from certs.errors import CertificateError, Conflict, StoreError

LONGEST_SLEEP: Final = timedelta(minutes=1)
_SHORTEST_SLEEP: Final = timedelta(milliseconds=50)

_log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Timing:
    """The sources of time and chance.

    `clock` returns an aware datetime, `sleep` takes seconds, and `jitter` returns a number from 0 to 1 that keeps
    replicas from acting at the same moment.
    """

    clock: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random


REAL_TIME: Final = Timing()


class Rounds(ABC):
    """Runs the subclass's `_round` again and again.

    `failures` counts failures by kind; `problem` describes the failure of the last round, if any.
    """

    def __init__(self, timing: Timing) -> None:
        self._clock = timing.clock
        self._sleep = timing.sleep
        self._jitter = timing.jitter
        self._woken = asyncio.Event()
        self._failed_rounds = 0
        self.problem = ""
        self.failures: Counter[str] = Counter()

    @abstractmethod
    async def _round(self) -> datetime:
        """Does one round and returns the latest time for the next one.

        To report a failure, it raises CertificateError or calls `_failed`.
        """

    def wake(self) -> None:
        """Ends the pause. Call it when the Secret or the webhook configuration has changed."""
        self._woken.set()

    async def run(self) -> None:
        """Runs until cancelled; no failure ends it."""
        while True:
            self._woken.clear()
            seconds = await self.check()
            pauses = {asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._woken.wait())}
            try:
                await asyncio.wait(pauses, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pause in pauses:
                    pause.cancel()
                await asyncio.gather(*pauses, return_exceptions=True)
            if self._failed_rounds:
                # If a watch reports many changes, retries must not become a flood of requests.
                await self._sleep(_SHORTEST_SLEEP.total_seconds())

    async def check(self) -> float:
        """Does one round and returns the seconds until the next one. Logs and counts failures; raises none."""
        failed = sum(self.failures.values())
        try:
            look_again = await self._round()
        except Conflict:
            # Another replica wrote first. That is fine: the next round adopts its state.
            self.failures["conflict"] += 1
            return _SHORTEST_SLEEP.total_seconds() * (1 + self._jitter())
        except StoreError as error:
            self._failed("secret", error)
        except CertificateError as error:
            self._failed("issue", error)
        except Exception:  # noqa: BLE001 - even a bug must not end the loop
            _log.exception("certificate maintenance failed; the current certificate stays in use")
            self.failures["unexpected"] += 1
            self.problem = "unexpected: this is a bug, see the log"
        if sum(self.failures.values()) == failed:
            self._failed_rounds = 0
            self.problem = ""
            until = look_again - self._clock()
            return min(max(until, _SHORTEST_SLEEP), LONGEST_SLEEP).total_seconds()
        self._failed_rounds += 1
        longest = min(LONGEST_SLEEP.total_seconds(), 2.0 ** min(self._failed_rounds - 1, 10))
        return longest * (0.5 + self._jitter() / 2)

    def _failed(self, what: str, error: CertificateError) -> None:
        self.failures[what] += 1
        self.problem = f"{what}: {error}"
        _log.warning("certificate maintenance failed: %s; the current certificate stays in use", self.problem)
