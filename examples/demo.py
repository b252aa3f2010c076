"""The demonstration: starts the webhook without a cluster and sends it three reviews over verified HTTPS."""

import contextlib
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
COMMAND = [sys.executable, "-m", "webhook"]


def main() -> int:
    """Runs the demonstration; returns the exit code of the first command that failed, or 0."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = Path(folder) / "certificate"
        with serving(certificate) as port:
            replay = [
                *COMMAND,
                "replay",
                "--url",
                f"https://localhost:{port}/mutate",
                f"--ca={certificate / 'ca.crt'}",
            ]
            reviews = sorted((HERE / "reviews").glob("*.json"))
            print("\n$ pod-identity-webhook", *replay[3:], "examples/reviews\n", flush=True)
            code = subprocess.run([*replay, *map(str, reviews)], check=False).returncode
    if code == 0:
        print("\nThe webhook does not change the container `proxy`: its pod's annotation skip-containers names it.")
        print("Next: run .venv-demo/bin/pod-identity-webhook replay --help, and read docs/replay.md")
    return code


@contextlib.contextmanager
def serving(certificate: Path) -> Iterator[int]:
    """Runs a webhook on a free port; stops it at the end."""
    serve = [*COMMAND, "serve", "--bind-address=127.0.0.1", "--port=0", "--metrics-port=0"]
    serve += [f"--service-accounts={HERE / 'service-accounts.yaml'}", f"--ephemeral-certificate={certificate}"]
    print("$ pod-identity-webhook", *serve[3:], flush=True)
    with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield _port(process)
        finally:
            process.send_signal(signal.SIGINT)
            if process.stderr is not None:
                print(process.stderr.read(), end="")
    if process.returncode:
        raise SystemExit(process.returncode)


def _port(process: "subprocess.Popen[str]") -> int:
    for line in process.stderr or ():
        print(line, end="", flush=True)
        found = re.search(r"serves: https port (\d+)", line)
        if found:
            return int(found[1])
    raise SystemExit("the webhook did not start")


if __name__ == "__main__":
    sys.exit(main())
