"""The one file of `make zipapp`, with nothing but a Python beside it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.outcome import ROOT, run
from tests.docs.pages import commands
from webhook import __version__

MAKE, VERSION = commands(ROOT / "docs/kubectl.md", "One file")


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("one-file") / "pod-identity-webhook.pyz"
    subprocess.run(
        [*MAKE.split(), f"ZIPAPP={path}", f"PYTHON={sys.executable}", f"DEV={Path(sys.executable).parents[1]}"],
        cwd=ROOT,
        check=True,
        timeout=600,
    )
    return path


def _alone(program: Path, *argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the file where neither our environment nor our sources are on a path."""
    python = Path(sys.base_prefix) / "bin"
    return subprocess.run(
        [program, *argv],
        capture_output=True,
        text=True,
        cwd=cwd or program.parent,
        env={"PATH": f"{python}:/usr/bin:/bin", "HOME": str(program.parent)},
        timeout=300,
        check=False,
    )


def test_the_file_runs_alone(one_file: Path) -> None:
    shown = _alone(one_file, *VERSION.split()[1:])

    assert (shown.returncode, shown.stdout, shown.stderr) == (0, f"pod-identity-webhook {__version__}\n", "")


def test_the_file_has_every_dependency(one_file: Path) -> None:
    line = ("replay", "--service-accounts", "examples/service-accounts.yaml", "examples/reviews")
    shutil.copytree(ROOT / "examples", one_file.parent / "examples")

    assert _alone(one_file, *line).stdout == run(*line).out
    for group in ("certs show", "issuer render", "trust-policy lint"):
        assert _alone(one_file, "help", *group.split()).stdout == run("help", *group.split()).out


def test_the_file_is_a_plugin_by_its_name(one_file: Path) -> None:
    plugin = Path(shutil.copy(one_file, one_file.with_name("kubectl-pod_identity")))

    shown = _alone(plugin, "-n", "shop")

    assert shown.returncode == 2
    assert shown.stderr.startswith("pod-identity-webhook: '-n' is not a command\n")
