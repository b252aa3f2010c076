"""The grace period of lookups: waits for ServiceAccounts that the API server does not know yet.

`accounts.py` asks the cache and then reads live (`lookups.py`); only after both found nothing does a pod wait here.
"""

import asyncio
from collections import Counter
from typing import Final

_MAX_CALLERS: Final = 1024
_MAX_CALLERS_OF_ONE: Final = 256


class LookupGrace:
    """Wakes callers that wait for a ServiceAccount.

    At most 1024 callers wait at a time, of them at most 256 for one namespace; further callers return at once.
    """

    def __init__(self) -> None:
        self._expected: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._callers: Counter[tuple[str, str]] = Counter()
        self._callers_of: Counter[str] = Counter()
        self.waiting = 0

    async def wait(self, namespace: str, name: str, seconds: float) -> None:
        """Waits until `announce` names the ServiceAccount, for at most `seconds`."""
        if self.waiting >= _MAX_CALLERS or self._callers_of[namespace] >= _MAX_CALLERS_OF_ONE:
            return
        key = (namespace, name)
        future = self._expected.get(key)
        if future is None:
            future = self._expected[key] = asyncio.get_running_loop().create_future()
        self.waiting += 1
        self._callers[key] += 1
        self._callers_of[namespace] += 1
        try:
            await asyncio.wait([future], timeout=seconds)
        finally:
            self.waiting -= 1
            self._callers[key] -= 1
            if not self._callers[key]:
                del self._callers[key]
                self._expected.pop(key, None)
            self._callers_of[namespace] -= 1
            if not self._callers_of[namespace]:
                del self._callers_of[namespace]

    def announce(self, namespace: str, name: str) -> None:
        """Wakes all callers that wait for this ServiceAccount: it exists now."""
        if not self._expected:
            return
        future = self._expected.get((namespace, name))
        if future is not None and not future.done():
            future.set_result(None)
