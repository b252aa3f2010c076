"""Runs the servers to measure, each on one core, and reads their CPU time and memory from proc(5)."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def running(command: list[str], **pipes: int) -> Iterator["subprocess.Popen[str]"]:
    """Runs a server on core 0; kills it at the end."""
    with subprocess.Popen([*pinned(0), *command], text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def pinned(core: int) -> list[str]:
    """The prefix that makes a command run on one core; empty if there is only one core, or no taskset."""
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core])] if len(cores) > 1 and shutil.which("taskset") else []


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used: utime and stime in its stat file."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int, field: str) -> float:
    """A figure from its status file in MB (10^6 bytes): VmRSS, or VmHWM, its peak."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(found(rf"{field}:\s+(\d+) kB", status)) * 1024 / 1e6


def found(pattern: str, text: str) -> str:
    """The first group of the pattern in the text. Raises SystemExit if there is none."""
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"bench: no {pattern!r} in:\n{text}")
    return match[1]
