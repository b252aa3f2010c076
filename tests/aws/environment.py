"""The AWS CLI and boto3 in an environment of their own, from a lock with hashes of its own.

Their dependencies and ours exclude each other. The environment stays in the cache until the lock changes.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

LOCK: Final = Path(__file__).with_name("requirements.lock")
_PIP: Final = ("-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--require-hashes", "-r")


def aws_environment() -> Path:
    """Returns the folder of the environment; creates it on the first call, which takes a minute.

    If two test runs need it at the same time, one creates it and the other waits.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pod-identity-webhook"
    # A new Python needs a new environment: its packages are in a folder of the version.
    key = hashlib.sha256(f"{sys.version}{sys.base_prefix}".encode() + LOCK.read_bytes()).hexdigest()[:16]
    folder = cache / f"aws-{key}"
    complete = folder / "complete"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"aws-{key}.lock").open("w") as claim:
        fcntl.flock(claim, fcntl.LOCK_EX)
        # Written last: without it, an earlier run was interrupted, or pip failed.
        if not complete.exists():
            _run(sys.executable, "-m", "venv", "--clear", str(folder))
            _run(str(folder / "bin/python"), *_PIP, str(LOCK))
            complete.touch()
    return folder


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
