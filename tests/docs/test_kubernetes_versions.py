"""The documentation promises exactly the range of Kubernetes versions that CI builds and tests on."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import ROOT, commands
from tests.features import Feature

MODULES = (ROOT / "tests/kubernetes/go.mod").read_text(encoding="utf-8")
DEBIAN = (ROOT / "scripts/kubernetes-from-debian.sh").read_text(encoding="utf-8")
SCRIPT = ROOT / "scripts/kubernetes-from-modules.sh"
PROGRAMS = ("etcd", "kubectl", *(f"kube{name}" for name in ("-apiserver", "-controller-manager", "-scheduler")))
PROGRAMS_OF_A_NODE = ("kubelet", "kube-proxy")


def _found(pattern: str, text: str) -> str:
    (version,) = re.findall(pattern, text, re.MULTILINE)
    return str(version)


OLDEST = _found(r"^readonly version=(\S+)$", DEBIAN)
NEWEST = _found(r"^\tk8s\.io/kubernetes v(\S+)", MODULES)


def _minor(version: str) -> str:
    return version.rpartition(".")[0]


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "charts/pod-identity-webhook/README.md"])
def test_the_documented_range_is_from_the_oldest_to_the_newest_version(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")

    assert f"Kubernetes {_minor(OLDEST)} to {_minor(NEWEST)}" in text


def test_the_readme_says_what_changes_are_tested_on() -> None:
    assert f"tested end to end on {OLDEST} and {NEWEST}." in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_chart_refuses_older_versions() -> None:
    chart = yaml.safe_load((ROOT / "charts/pod-identity-webhook/Chart.yaml").read_text(encoding="utf-8"))

    assert chart["kubeVersion"] == f">={_minor(OLDEST)}.0-0"


def test_every_module_of_kubernetes_is_of_the_same_release() -> None:
    replaced = re.findall(r"^\t(\S+) => (\S+) v(\S+)$", MODULES, re.MULTILINE)

    assert len(replaced) > 30
    assert {version for _, _, version in replaced} == {f"0.{NEWEST.partition('.')[2]}"}
    assert all(module == by for module, by, _ in replaced)


@pytest.mark.parametrize("feature", Feature)
def test_the_newest_version_has_every_feature_and_the_oldest_lacks_each_named_one(feature: Feature) -> None:
    oldest, newest = (tuple(map(int, version.split(".")[:2])) for version in (OLDEST, NEWEST))

    assert oldest < feature.since <= newest


@pytest.mark.parametrize(
    "command", [each for each in commands(ROOT / "CONTRIBUTING.md") if each.startswith("make ")], ids=str
)
def test_make_knows_the_targets_for_contributors(command: str) -> None:
    done = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def _program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


def _build(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Runs `make kubernetes` with the test's own cache and its own `go`."""
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path), "PATH": path}
    return subprocess.run(
        ["make", "--silent", "kubernetes"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )


def test_an_existing_build_is_reused(tmp_path: Path) -> None:
    folder = tmp_path / f"cache/pod-identity-webhook/kubernetes-{NEWEST}"
    for name in (*PROGRAMS, *PROGRAMS_OF_A_NODE):
        _program(folder, name, "exit 0")
    _program(tmp_path / "bin", "go", "exit 1")
    done = _build(tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder}\n", "")


@pytest.mark.parametrize(
    ("script", "found"),
    [("exit 127", "no go command"), ("echo go1.27.3", "go1.27.3"), ("echo go1.260", "go1.260")],
    ids=["no go", "a newer go", "a go that only begins like it"],
)
def test_another_go_than_1_26_is_refused_in_one_line(tmp_path: Path, script: str, found: str) -> None:
    _program(tmp_path / "bin", "go", script)
    done = _build(tmp_path)

    first, second, *_ = done.stderr.splitlines()
    assert done.returncode != 0
    assert "missing in" in first
    assert second.endswith(f"building Kubernetes {NEWEST} needs Go 1.26, but found: {found}")


def test_go_builds_the_pinned_version_with_the_flags_that_stamp_it(tmp_path: Path) -> None:
    """Uses a fake `go` that records its arguments and writes a placeholder program."""
    asked = tmp_path / "asked"
    _program(
        tmp_path / "bin",
        "go",
        f'[ "$1" = env ] && echo go1.26.8 && exit\n'
        f'echo "$GOTOOLCHAIN $CGO_ENABLED $PWD $*" >> {asked}\n'
        'while [ "$1" != -o ]; do shift; done\n'
        'printf x > "$2"; chmod +x "$2"',
    )
    folder = tmp_path / f"cache/pod-identity-webhook/kubernetes-{NEWEST}"
    done = _build(tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(folder)
    assert {path.name for path in folder.iterdir()} == {*PROGRAMS, *PROGRAMS_OF_A_NODE}
    lines = asked.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(PROGRAMS) + len(PROGRAMS_OF_A_NODE)
    for line in lines:
        assert line.startswith(f"local 0 {ROOT}/tests/kubernetes build -mod=readonly -trimpath -ldflags -s -w ")
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
            assert f"-X {package}.gitVersion=v{NEWEST} " in line
    _program(tmp_path / "bin", "go", "exit 1")
    (folder / "kubectl").unlink()
    assert "missing in" in _build(tmp_path).stderr
