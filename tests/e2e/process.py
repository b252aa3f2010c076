"""A program under test: its log goes to a file, we stop it by its own pid, and it never outlives the tests."""

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.e2e.waiting import NeverHappened, wait_until

_WRAPPER = Path(__file__).with_name("end_with_parent.py")
_SHOWN_LINES = 40


class StartFailed(AssertionError):
    """A program ended, or did not become ready in time. The message ends with the last lines of its log."""


class Process:
    """One program. It can be started again after a stop, and then appends to the same log."""

    def __init__(self, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> None:
        self.command = list(command)
        self.log = log
        self._environ = {**os.environ, **(environ or {})}
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return Path(self.command[0]).name

    @property
    def pid(self) -> int:
        assert self._running is not None, f"{self.name} was not started"
        return self._running.pid

    @property
    def is_running(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def start(self, is_ready: Callable[[], bool], *, within: float) -> None:
        """Starts the program and waits until it is ready. If that fails, stops it and raises StartFailed."""
        assert not self.is_running, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_WRAPPER), str(os.getpid()), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
            )
        atexit.register(self.kill)
        try:
            wait_until(lambda: not self.is_running or is_ready(), "readiness", within=within)
        except NeverHappened as error:
            self.kill()
            raise StartFailed(f"{self.name}: {error}\n{self.last_lines()}") from error
        except BaseException:
            self.kill()
            raise
        if not self.is_running:
            raise StartFailed(f"{self.name} ended with {self._running.returncode}\n{self.last_lines()}")

    def stop(self, *, within: float = 20.0) -> int:
        """Sends SIGTERM, waits, and returns the exit code (negative for a signal).

        If the program does not end in time, kills it and fails.
        """
        assert self._running is not None, f"{self.name} was not started"
        if self.is_running:
            self._running.send_signal(signal.SIGCONT)
            self._running.terminate()
        try:
            code = self._running.wait(within)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise NeverHappened(f"not within {within:g} s: the end of {self.name}\n{self.last_lines()}") from error
        atexit.unregister(self.kill)
        return code

    def kill(self) -> None:
        """Kills the program, if it runs."""
        if self._running is not None:
            if self.is_running:
                self._running.kill()
            self._running.wait(10)
        atexit.unregister(self.kill)

    def pause(self) -> None:
        """Suspends the program: its sockets stay open but it does not answer."""
        os.kill(self.pid, signal.SIGSTOP)
        status = Path(f"/proc/{self.pid}/stat")
        wait_until(lambda: status.read_text().rpartition(")")[2].split()[0] == "T", f"{self.name} to halt", within=5)

    def resume(self) -> None:
        """Resumes a suspended program."""
        os.kill(self.pid, signal.SIGCONT)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def last_lines(self) -> str:
        """Returns the end of the log, for failure messages."""
        lines = self.log_text().splitlines()[-_SHOWN_LINES:]
        return "\n".join([f"--- the end of {self.log}", *lines, "---"])
