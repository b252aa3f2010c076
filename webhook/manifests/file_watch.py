"""Detects changes of files that somebody else replaces while we run, and reads them without blocking forever.

We poll: kubelet replaces the folder behind a mount's links, and inotify on the file does not report that.
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
    """Returns a value that changes with every change of the file at `path`; follows links. It is cheap."""
    try:
        found = path.stat()
    except OSError as error:
        return path, error.errno
    return path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read_file(path: Path, max_bytes: int) -> bytes:
    """Returns the file's content. Raises OSError, also for a pipe or a file that is too large."""
    if path.is_fifo():
        # Reading a pipe could block forever.
        raise OSError(errno.ESPIPE, "is a pipe")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"larger than {max_bytes} bytes")
    return content


class FileWatch:
    """Decides when to read some files again; `current` returns a value that changes whenever one of them changes.

    Construct it before you read the files for the first time, so that it notices changes during that.
    """

    def __init__(self, current: Callable[[], Any]) -> None:
        self._current = current
        self._found = self._read = current()

    def is_due(self) -> bool:
        """Whether the files have changed and settled, so that two calls in a row saw the same; true once per change.

        A file that has just changed may be incomplete, or only the first of several.
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
        """Makes unchanged files due again, after the operating system failed to read them."""
        self._read = None


async def watch_files(checks: Iterable[Callable[[], Any]]) -> None:
    """Calls each check every second, in a thread, until it is cancelled. The server runs it once for all files."""
    while True:
        await asyncio.sleep(_CHECKED_EVERY)
        for check in checks:
            try:
                # In a thread, because a disk that hangs must not block answers.
                await asyncio.to_thread(check)
            except Exception:
                logger.exception("a bug while looking for changed files")
