"""The programs that the tests run against."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

_HOW = (
    "set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver,"
    " which make kubernetes prints when it has built them, and setup-envtest installs"
)


class MissingProgram(Exception):
    """A program that the tests need is missing. The message says how to get it."""


def control_plane(name: str) -> Path:
    """Returns a program of the control plane, from the folder that KUBEBUILDER_ASSETS names."""
    folder = os.environ.get("KUBEBUILDER_ASSETS", "")
    if not folder:
        raise MissingProgram(f"there is no control plane to run: {_HOW}")
    program = Path(folder) / name
    if not os.access(program, os.X_OK):
        raise MissingProgram(f"{program} is no program: {_HOW}")
    return program


def kubectl() -> Path:
    """Returns kubectl from the control plane's folder, or from next to the interpreter (its wheel), or from PATH."""
    folders = [os.environ.get("KUBEBUILDER_ASSETS", ""), str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    found = shutil.which("kubectl", path=os.pathsep.join(filter(None, folders)))
    if found is None:
        raise MissingProgram("kubectl is neither in KUBEBUILDER_ASSETS nor on the PATH")
    return Path(found)


def kubernetes_version(program: Path) -> tuple[int, int]:
    """Returns the major and minor version of a Kubernetes program."""
    text = subprocess.run([program, "--version"], check=True, capture_output=True, text=True, timeout=30).stdout
    found = re.search(r"v(\d+)\.(\d+)\.", text)
    assert found is not None, f"{program} --version says {text!r}"
    return int(found[1]), int(found[2])
