"""The commands of docs/kubectl.md, but for those of its one file, which tests/zipapp/test_one_file.py runs."""

import os
import subprocess
import sys
from pathlib import Path

from tests.commands.outcome import run
from tests.docs.pages import ROOT, commands

PAGE = ROOT / "docs/kubectl.md"
BIN = Path(sys.executable).parent


def test_the_page_shows_what_the_tests_run() -> None:
    assert len(commands(PAGE)) == 6


def test_kubectl_finds_the_plugin_in_the_environment() -> None:
    activate, replay, show_help = commands(PAGE)[:3]

    shown = _bash(f"{activate.replace('.venv-demo', str(BIN.parent))} && {replay} && {show_help}")

    assert shown.returncode == 0
    assert shown.stdout == (
        run("replay", "--service-accounts", "examples/service-accounts.yaml", "examples/reviews").out
        + run("help", "certs", "show").out
    )


def test_bash_loads_the_completion() -> None:
    line = ". <(pod-identity-webhook completion bash)"
    assert f"\n{line}\n" in PAGE.read_text(encoding="utf-8")

    shown = _bash(f"{line} && complete -p pod-identity-webhook")

    assert (shown.returncode, shown.stdout) == (0, "complete -F _pod_identity_webhook pod-identity-webhook\n")


def _bash(script: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": "/nonexistent"}
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, cwd=ROOT, env=environ, timeout=120, check=False
    )
