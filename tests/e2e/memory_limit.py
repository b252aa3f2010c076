"""Limits the memory of a process as for a container: with a cgroup of version 1 or 2, if we can create one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from tests.e2e.waiting import wait_until

_V1 = Path("/sys/fs/cgroup/memory")
_V2 = Path("/sys/fs/cgroup")


class MemoryLimit:
    """A cgroup with a limit in bytes. `peak` is its highest memory use, including page cache and sockets."""

    def __init__(self, folder: Path, peak: str) -> None:
        self._folder, self._peak = folder, peak

    def wrapped(self, command: Sequence[str]) -> list[str]:
        """Returns a command that enters the cgroup before it executes `command`, so that all its memory counts."""
        return ["/bin/sh", "-c", f'echo $$ > {self._folder}/cgroup.procs && exec "$@"', "sh", *command]

    @property
    def peak(self) -> int:
        return int((self._folder / self._peak).read_text())


@contextmanager
def memory_limit(size: int) -> Iterator[MemoryLimit | None]:
    """Yields a limit of `size` bytes without swap, or None if we cannot create a cgroup."""
    made = _made(size)
    try:
        yield made
    finally:
        if made is not None:
            wait_until(lambda: _removed(made._folder), "the cgroup to be empty", within=10)


def _made(size: int) -> MemoryLimit | None:
    name = f"pod-identity-webhook-{uuid4().hex[:8]}"
    for root, limit, peak in (
        (_V1, "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
        (_V2, "memory.max", "memory.peak"),
    ):
        folder = root / name
        with suppress(OSError):
            folder.mkdir()
            if (folder / limit).exists() and (folder / peak).exists():
                (folder / limit).write_text(str(size))
                return MemoryLimit(folder, peak)
            folder.rmdir()
    return None


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return not folder.exists()
    return True
