"""Reports ServiceAccounts that are too large for the cache: counts them all and logs some of their names."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

# A tenant can create any number of them, any number of times, and must not be able to flood the log.
_NAMED_AT_ONCE: Final = 10
_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)


class LeftOut:
    """Counts each time that one is listed, added or changed. Logs the names of at most ten a minute."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._in_this_minute = 0
        self.count = 0

    def note(self, namespace: str, name: str, problem: str) -> None:
        """Counts one ServiceAccount; `problem` says how large it is."""
        self.count += 1
        now = self._clock()
        if now - self._since >= _SECONDS:
            unnamed = self._in_this_minute - _NAMED_AT_ONCE
            if unnamed > 0:
                logger.warning("%d more ServiceAccounts were too large for the cache", unnamed)
            self._since, self._in_this_minute = now, 0
        self._in_this_minute += 1
        if self._in_this_minute <= _NAMED_AT_ONCE:
            logger.warning(
                "ServiceAccount %s/%s: %s: too large for the cache, so each of its pods needs a live read",
                namespace,
                name,
                problem,
            )
