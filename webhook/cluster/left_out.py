"""ServiceAccounts that the cache does not keep because they are too large: counted, and some of them named."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

# One tenant can make as many as it likes, as often as it likes.
_NAMED_AT_ONCE: Final = 10
_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)


class LeftOut:
    """Counts each time that one was listed, added or changed, and names ten a minute in the log."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._in_this_minute = 0
        self.count = 0

    def note(self, namespace: str, name: str, problem: str) -> None:
        """There is one; `problem` says what is too large about it."""
        self.count += 1
        now = self._clock()
        if now - self._since >= _SECONDS:
            unnamed = self._in_this_minute - _NAMED_AT_ONCE
            if unnamed > 0:
                logger.warning("%d more ServiceAccounts that are too large were not named", unnamed)
            self._since, self._in_this_minute = now, 0
        self._in_this_minute += 1
        if self._in_this_minute <= _NAMED_AT_ONCE:
            logger.warning(
                "ServiceAccount %s/%s: %s: not kept, but read from the API server for each of its pods",
                namespace,
                name,
                problem,
            )
