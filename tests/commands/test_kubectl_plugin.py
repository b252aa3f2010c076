"""The command as a plugin of a real kubectl."""

import os
import subprocess
import sys
from pathlib import Path

from tests.commands.outcome import ROOT, run
from webhook import __version__

BIN = Path(sys.executable).parent


def kubectl(*argv: str) -> tuple[int, str, str]:
    shown = subprocess.run(
        [BIN / "kubectl", *argv],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": "/nonexistent"},
        timeout=120,
        check=False,
    )
    return shown.returncode, shown.stdout, shown.stderr


def test_kubectl_runs_the_command() -> None:
    line = ("replay", "--service-accounts", "examples/service-accounts.yaml", "examples/reviews", "--output", "json")
    direct = run(*line)

    code, out, err = kubectl("pod-identity", *line)

    assert (code, out) == (direct.code, direct.out)
    assert "injected" in out
    assert err.startswith("pod-identity-webhook replay: ")


def test_the_plugins_version_is_the_commands() -> None:
    assert kubectl("pod-identity", "--version") == (0, f"pod-identity-webhook {__version__}\n", "")


def test_flags_alone_do_not_run_the_webhook() -> None:
    code, out, err = kubectl("pod-identity", "-n", "shop")

    assert (code, out) == (2, "")
    assert err.startswith("pod-identity-webhook: '-n' is not a command\n")


def test_kubectl_completes_the_words() -> None:
    code, out, _ = kubectl("__complete", "pod-identity", "certs", "ro")

    assert (code, out) == (0, "rotate\tasks the running webhook for a new leaf or a new CA\n:4\n")


def test_a_version_flag_on_a_line_to_complete_prints_no_version() -> None:
    assert run("__complete", "serve", "--version", "--log-f").out.startswith("--log-format\t")
