"""Servers that are measured: started on one core, ended with us; their CPU time and memory from proc(5)."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def running(command: list[str], **pipes: int) -> Iterator["subprocess.Popen[str]"]:
    """A server on core 0, killed at the end."""
    with subprocess.Popen([*pinned(0), *command], text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def pinned(core: int) -> list[str]:
    """The start of a command that runs on one core, where there are two and taskset is there."""
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core])] if len(cores) > 1 and shutil.which("taskset") else []


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used: stat, utime and stime."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int, field: str) -> float:
    """A figure of status in MB (10^6 bytes): VmRSS, or its peak VmHWM."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(found(rf"{field}:\s+(\d+) kB", status)) * 1024 / 1e6


def found(pattern: str, text: str) -> str:
    """The first group of the pattern in the text; SystemExit where it is not there."""
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"bench: no {pattern!r} in:\n{text}")
    return match[1]
