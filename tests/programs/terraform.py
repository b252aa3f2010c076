"""Terraform, and the providers that this machine has: tests cannot rely on the network."""

import os
import shutil
import subprocess
from itertools import chain
from pathlib import Path
from typing import Final

import pytest

EXAMPLE: Final = Path(__file__).parents[2] / "examples/terraform"
# Where machines have providers without a network: what TERRAFORM_PLUGINS names, and the usual places.
_FOLDERS: Final = ("/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins", "/opt/*/")


def terraform(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs terraform in the folder, with no settings of this machine. Skips the test if there is none."""
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("terraform is not installed")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
    return subprocess.run(
        [program, *words],
        cwd=folder,
        env={**environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    """Returns the output of a run that must have succeeded."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def plugins(provider: str) -> Path:
    """Returns a folder with the provider, as `terraform providers mirror` lays it out; skips the test without one."""
    given = os.environ.get("TERRAFORM_PLUGINS")
    folders = [Path(given)] if given else list(chain.from_iterable(Path("/").glob(each[1:]) for each in _FOLDERS))
    for folder in folders:
        if (folder / "registry.terraform.io" / provider).is_dir():
            return folder
    pytest.skip(f"no folder has the provider {provider}: TERRAFORM_PLUGINS names one")
