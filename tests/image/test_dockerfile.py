"""The Dockerfile, as far as it can be judged without building it: the cluster tests run what it builds."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """The instructions with their arguments, continued lines joined, in order."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", "", text).splitlines()
    return [(words[0], words[1]) for line in lines if len(words := line.split(maxsplit=1)) == 2]


def final_stage() -> list[tuple[str, str]]:
    found = instructions()
    last = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    return found[last:]


def test_hadolint_finds_nothing() -> None:
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin"
    hadolint = shutil.which("hadolint", path=path)
    if hadolint is None:
        pytest.skip("there is no hadolint for this platform")
    done = subprocess.run([hadolint, "--no-color", str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_dependency_is_installed_from_a_lock_as_a_wheel_whose_hash_is_checked() -> None:
    installs = [
        part
        for name, argument in instructions()
        if name == "RUN"
        for part in argument.split("&&")
        if re.search(r"\bpip\b.*\binstall\b", part)
    ]
    assert len(installs) == 3
    *locked, own = installs
    for install in locked:
        assert {"--require-hashes", "--only-binary=:all:"} <= set(install.split())
        assert re.search(r"-r requirements(-build)?\.lock", install)
    assert {"--no-deps", "--no-index"} <= set(own.split())


def test_it_runs_as_a_user_with_a_number_that_kubernetes_can_see_is_not_root() -> None:
    assert [argument for name, argument in final_stage() if name == "USER"] == ["65532:65532"]


def test_no_pip_stays_in_the_image() -> None:
    runs = [argument for name, argument in final_stage() if name == "RUN"]
    assert any("pip uninstall --yes" in argument for argument in runs)


def test_every_file_that_the_dockerfile_copies_passes_the_ignore_file() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for name, argument in instructions()
        if name == "COPY" and "--from=" not in argument
        for source in argument.split()[:-1]
    }
    assert {source.split("/")[0] for source in copied} == kept
    assert all((ROOT / source).exists() for source in copied)


def test_the_name_of_the_go_webhook_starts_serve_with_the_flags_given() -> None:
    script = ROOT / "image" / "webhook"
    assert script.stat().st_mode & 0o111 == 0o111
    assert script.read_text().splitlines()[-1].endswith('serve "$@"')
