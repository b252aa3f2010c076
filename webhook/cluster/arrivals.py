"""Waiting for ServiceAccounts that are not there yet."""

import asyncio
from typing import Final

_MAX_CALLERS: Final = 1024


class Arrivals:
    """Wakes those who wait for a ServiceAccount; more than 1024 do not wait at all."""

    def __init__(self) -> None:
        self._expected: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._callers: dict[tuple[str, str], int] = {}
        self.waiting = 0

    async def wait(self, namespace: str, name: str, seconds: float) -> None:
        """Waits until the ServiceAccount is announced, or for so long."""
        if self.waiting >= _MAX_CALLERS:
            return
        key = (namespace, name)
        future = self._expected.get(key)
        if future is None:
            future = self._expected[key] = asyncio.get_running_loop().create_future()
        self.waiting += 1
        self._callers[key] = self._callers.get(key, 0) + 1
        try:
            await asyncio.wait([future], timeout=seconds)
        finally:
            self.waiting -= 1
            self._callers[key] -= 1
            if not self._callers[key]:
                del self._callers[key]
                self._expected.pop(key, None)

    def announce(self, namespace: str, name: str) -> None:
        """The ServiceAccount is there now."""
        if not self._expected:
            return
        future = self._expected.get((namespace, name))
        if future is not None and not future.done():
            future.set_result(None)
