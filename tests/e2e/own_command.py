"""Our own command, run as a cluster's admin runs it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.e2e.cluster import Cluster

_ROOT: Final = Path(__file__).parents[2]


def run_as_admin(cluster: Cluster, *words: str, code: int = 0) -> str:
    """Runs `pod-identity-webhook WORDS` and returns its output; it must end with `code`."""
    done = subprocess.run(
        [sys.executable, "-m", "webhook", *words],
        cwd=_ROOT,
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout
