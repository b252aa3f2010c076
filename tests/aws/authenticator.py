"""aws-iam-authenticator, which a kubeconfig names to get a token from AWS credentials; built from Go modules."""

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path
from typing import Final

# go.mod sets the version, go.sum has the hashes.
_MODULE: Final = Path(__file__).parents[1] / "authenticator"
_PACKAGE: Final = "sigs.k8s.io/aws-iam-authenticator/cmd/aws-iam-authenticator"
# The machine's own settings decide only where modules come from.
_GO: Final = {"GOFLAGS": "", "GOWORK": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}


def iam_authenticator() -> Path:
    """Returns the program; builds it on the first call, which needs Go and takes some minutes.

    If two test runs need it at the same time, one builds it and the other waits.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pod-identity-webhook"
    key = hashlib.sha256((_MODULE / "go.sum").read_bytes()).hexdigest()[:16]
    program = cache / f"aws-iam-authenticator-{key}"
    cache.mkdir(parents=True, exist_ok=True)
    with program.with_suffix(".lock").open("w") as claim:
        fcntl.flock(claim, fcntl.LOCK_EX)
        if not program.exists():
            unfinished = program.with_suffix(".unfinished")
            done = subprocess.run(
                ["go", "build", "-mod=readonly", "-trimpath", "-o", unfinished, _PACKAGE],
                cwd=_MODULE,
                env=os.environ | _GO,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=1800,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            unfinished.rename(program)
    return program
