"""Asks the webhook through `kubectl port-forward`, as docs/replay.md shows."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster_e2e.release import Release
from tests.docs.forwarding import LOCAL, shown
from tests.docs.pages import ROOT
from tests.e2e.programs import kubectl


def test_the_webhook_is_asked_through_a_forwarded_port_as_shown(release: Release) -> None:
    page = shown(release.name, release.namespace)
    with _forwarded(page.forward) as address:
        (words,) = page.through_forward
        # The release of the tests has a name of its own, so its configuration has, too.
        command = [*(word.replace(LOCAL, address) for word in words), f"--webhook-configuration={release.name}"]
        done = subprocess.run(
            [sys.executable, "-m", "webhook", *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    # The cluster has none of the ServiceAccounts of the examples.
    assert (done.returncode, done.stderr) == (0, "pod-identity-webhook replay: 3 replayed: 3 not found\n")
    assert done.stdout.count("\n# unchanged: service_account_not_found\n") == 3, done.stdout


@contextmanager
def _forwarded(words: list[str]) -> Iterator[str]:
    """Runs the shown kubectl command, but with any free port of this machine; yields the local address."""
    assert words[-1] == "8443:443"
    with subprocess.Popen(
        [str(kubectl()), *words[:-1], ":443"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> ", line)
            assert found is not None, line
            yield f"localhost:{found[1]}"
        finally:
            process.kill()
