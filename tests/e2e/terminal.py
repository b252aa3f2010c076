"""A person's shell: runs commands as the documentation shows them, with the kubeconfig of a cluster."""

import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.commands.outcome import without_settings
from tests.e2e.cluster import Cluster
from tests.e2e.programs import kubectl

_ROOT: Final = Path(__file__).parents[2]


class Terminal:
    """Works in `folder`, with kubectl and pod-identity-webhook, and the environment `variables`.

    `examples` has the test's words for those of the documentation, such as its namespace.
    """

    def __init__(
        self, cluster: Cluster, folder: Path, variables: Mapping[str, str], examples: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self._examples = examples
        self._programs = folder / "bin"
        self._programs.mkdir(parents=True)
        commands = {
            "kubectl": [str(kubectl()), f"--cache-dir={cluster.directory}/kubectl"],
            "pod-identity-webhook": [sys.executable, "-m", "webhook"],
        }
        for name, command in commands.items():
            self.add_program(name, f'exec {shlex.join(command)} "$@"')
        self._environ = {
            **without_settings(),
            "PATH": f"{self._programs}:/usr/bin:/bin",
            "PYTHONPATH": str(_ROOT),
            "PYTHONIOENCODING": "utf-8",
            "KUBECONFIG": str(cluster.kubeconfig),
            "KUBERNETES_SERVICE_HOST": "",
            **variables,
        }

    def add_program(self, name: str, script: str) -> None:
        """Adds a shell script as a program."""
        program = self._programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def run(self, command: str) -> str:
        """Returns what a command prints on standard output, and then on standard error."""
        done = subprocess.run(
            ["/bin/sh", "-c", self.in_test(command)],
            cwd=self.folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    def in_test(self, text: str) -> str:
        """Returns a text of the documentation with the test's words."""
        for word, ours in self._examples.items():
            text = text.replace(word, ours)
        return text
