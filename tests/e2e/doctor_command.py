"""`doctor`, run as an admin runs it: with a kubeconfig, the AWS CLI on the PATH, and the stand-ins for AWS."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.e2e.api import Object

_ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Said:
    """What one run of `doctor --output=json` said."""

    code: int
    document: Object
    error: str

    def step(self, name: str) -> Object:
        """Returns the step of this name."""
        return next(step for step in self.document["steps"] if step["name"] == name)

    @property
    def statuses(self) -> dict[str, str]:
        """The status of each step, by name."""
        return {step["name"]: step["status"] for step in self.document["steps"]}

    @property
    def failed(self) -> list[str]:
        """The steps that failed."""
        failed: list[str] = self.document["failed"]
        return failed

    def lines(self) -> str:
        """Returns a line for each step that is not fine, for people."""
        return "\n".join(
            f"{step['status']} {step['name']}: {step['found']} | {step['next']}"
            for step in self.document["steps"]
            if step["status"] not in ("ok", "skipped")
        )


def doctor(kubeconfig: Path, *words: str, environ: Mapping[str, str] | None = None) -> Said:
    """Runs `doctor WORDS --output=json`."""
    done = run_doctor(kubeconfig, *words, "--output=json", environ=environ)
    assert done.stdout.startswith("{"), f"{done.returncode}\n{done.stdout}{done.stderr}"
    document: Any = json.loads(done.stdout)
    return Said(done.returncode, document, done.stderr)


def run_doctor(
    kubeconfig: Path, *words: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs `doctor WORDS`."""
    return subprocess.run(
        [sys.executable, "-m", "webhook", "doctor", *words],
        cwd=_ROOT,
        env={**os.environ, "KUBECONFIG": str(kubeconfig), **(environ or {})},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
