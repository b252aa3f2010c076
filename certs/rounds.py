"""Work that goes round for good: at once when woken, after growing pauses when it failed, never ended by a failure.

The wall clock is compared every minute: clocks jump and virtual machines pause, so no timer is trusted for longer.
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
    """Where time comes from: aware datetimes, pauses in seconds, and numbers from 0 to 1 that spread replicas out."""

    clock: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random


REAL_TIME: Final = Timing()


class Rounds(ABC):
    """Rounds of what the subclass does. `failures` counts by kind; `problem` is what failed in the last round."""

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
        """One round; returns when the next is due at the latest. Raises CertificateError, or calls `_failed`."""

    def wake(self) -> None:
        """Ends the pause: the Secret or the webhook configuration has changed."""
        self._woken.set()

    async def run(self) -> None:
        """Runs until it is cancelled; no failure ends it."""
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
                # A watch that reports change upon change must not turn retries into a flood.
                await self._sleep(_SHORTEST_SLEEP.total_seconds())

    async def check(self) -> float:
        """One round; returns the seconds until the next one. Failures are logged and counted, never raised."""
        failed = sum(self.failures.values())
        try:
            look_again = await self._round()
        except Conflict:
            # Somebody else was faster, which is as good: what they wrote is adopted.
            self.failures["conflict"] += 1
            return _SHORTEST_SLEEP.total_seconds() * (1 + self._jitter())
        except StoreError as error:
            self._failed("secret", error)
        except CertificateError as error:
            self._failed("issue", error)
        except Exception:  # noqa: BLE001 - whatever it is, the certificate goes on
            _log.exception("looking after certificates failed; what is served goes on")
            self.failures["unexpected"] += 1
            self.problem = "unexpected: a bug, see the log"
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
        _log.warning("looking after certificates: %s; what is served goes on", self.problem)
