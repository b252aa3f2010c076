"""Waits for the signals that stop the process. `run.py` then drains, by `Listener.drain` and `Listener.stop`."""

import asyncio
import signal


class StopSignals:
    """SIGTERM asks for a stop that drains first; SIGINT (Ctrl-C) asks for an immediate one.

    `drains` follows the last signal: after SIGTERM, a second SIGTERM ends the drain, and SIGINT also shortens the time
    for open requests.
    """

    def __init__(self) -> None:
        self.asked = False
        self.drains = False
        self._first, self._second = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    async def wait(self) -> None:
        """Waits for the first signal."""
        await self._first.wait()

    async def wait_again(self, seconds: float) -> None:
        """Waits for a second signal, at most this many seconds."""
        try:
            await asyncio.wait_for(self._second.wait(), seconds)
        except TimeoutError:
            return

    def _on_signal(self, number: int) -> None:
        if self.asked:
            self._second.set()
        self.asked = True
        self.drains = number == signal.SIGTERM
        self._first.set()
