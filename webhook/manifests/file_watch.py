"""Files that somebody else replaces while we run: when to read them again, and how without waiting for ever.

Files are polled: kubelet swaps the folder that a mount's links lead to, which inotify on the file does not report.
"""

import asyncio
import errno
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

_CHECKED_EVERY: Final = 1.0

logger = logging.getLogger(__name__)


def stamp(path: Path) -> tuple[Any, ...]:
    """Differs after every change of the file at `path`, seen through links; cheap."""
    try:
        found = path.stat()
    except OSError as error:
        return path, error.errno
    return path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read_file(path: Path, max_bytes: int) -> bytes:
    """The content. Raises OSError, for a pipe and a file that is too large as well."""
    if path.is_fifo():
        # Reading it could wait for ever.
        raise OSError(errno.ESPIPE, "is a pipe")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"larger than {max_bytes} bytes")
    return content


class FileWatch:
    """When to read some files again; `current` returns what differs whenever one of them does.

    Construct it before the first reading: it then notices what changes during that.
    """

    def __init__(self, current: Callable[[], Any]) -> None:
        self._current = current
        self._found = self._read = current()

    def is_due(self) -> bool:
        """Whether the files have changed and settled: two calls in a row found the same. True once for each change.

        Whoever writes a file may have emptied it first, or have written only one of several.
        """
        found = self._current()
        is_settled = found == self._found
        self._found = found
        if not is_settled or found == self._read:
            return False
        self._read = found
        return True

    def has_moved_on(self) -> bool:
        """Whether the files have changed again since they were due."""
        return bool(self._current() != self._read)

    def retry(self) -> None:
        """Makes the files due again though they do not change: the operating system refused to read them."""
        self._read = None


async def watch_files(checks: Iterable[Callable[[], Any]]) -> None:
    """Calls each check every second, on a thread, until cancelled. This is the program's one watcher of files."""
    while True:
        await asyncio.sleep(_CHECKED_EVERY)
        for check in checks:
            try:
                # A disk that hangs must not hang the answers.
                await asyncio.to_thread(check)
            except Exception:
                logger.exception("a bug while looking for changed files")
