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
ACCOUNTS = HERE / "service-accounts.yaml"

# A review, the ServiceAccount of its pod, and the decision in a sentence.
SCENES = (
    (
        "1-plain-pod.json",
        "reports",
        "The ServiceAccount has a role, so the container gets a token, its mount and two variables.",
    ),
    (
        "2-deployment-pod.json",
        "checkout",
        "All containers but `proxy` get the role: the pod's annotation skip-containers names that one.",
    ),
    (
        "3-nothing-to-do.json",
        "default",
        "The ServiceAccount has no role, so the webhook leaves the pod unchanged.",
    ),
)
NEXT = (
    "replay --service-accounts examples/service-accounts.yaml examples/reviews",
    "replay --service-accounts examples/service-accounts.yaml examples/reviews --output json",
    "help replay",
)


def main() -> int:
    """Runs the demonstration; returns the exit code of the first command that failed, or 0."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = Path(folder) / "certificate"
        with serving(certificate) as port:
            for review, account, sentence in SCENES:
                code = show(review, account, sentence, port, certificate / "ca.crt")
                if code:
                    return code
    print("\nThree commands to go on with, in this folder:\n")
    for command in NEXT:
        print(f"  .venv-demo/bin/pod-identity-webhook {command}")
    print("\ndocs/replay.md describes them; charts/pod-identity-webhook/README.md describes the installation.")
    return 0


def show(review: str, account: str, sentence: str, port: int, ca: Path) -> int:
    """Shows a ServiceAccount, and what the webhook does to a pod that runs as it; returns the exit code of replay."""
    documents = ACCOUNTS.read_text(encoding="utf-8").split("---\n")
    (shown,) = (text for text in documents if f"name: {account}\n" in text)
    print(f"\n=== {sentence}\n")
    print("\n".join(line for line in shown.splitlines() if not line.startswith("#")))
    replay = ["replay", "--url", f"https://localhost:{port}/mutate", f"--ca={ca}"]
    print("\n$ pod-identity-webhook", *replay, f"examples/reviews/{review}\n", flush=True)
    command = [*COMMAND, *replay, str(HERE / "reviews" / review)]
    return subprocess.run(command, stderr=subprocess.STDOUT, check=False).returncode


@contextlib.contextmanager
def serving(certificate: Path) -> Iterator[int]:
    """Runs a webhook on a free port; stops it at the end."""
    serve = [*COMMAND, "serve", "--bind-address=127.0.0.1", "--port=0", "--metrics-port=0"]
    serve += [f"--service-accounts={ACCOUNTS}", f"--ephemeral-certificate={certificate}"]
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
