import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from tests.commands.outcome import run, without_settings
from tests.commands.replay.installed import installed
from tests.commands.replay.live import api_server, kubeconfig
from tests.commands.servers import serving
from tests.docs.metrics import assert_documented
from tests.docs.pages import PAGES, ROOT, commands
from tests.helm_command import helm_command

# Other tests run all commands of these pages.
ELSEWHERE = {
    "kubectl.md": "tests/docs/test_kubectl_page.py and tests/programs/test_one_file.py",
    "migration.md": "tests/e2e/test_migration.py, in their order",
    "self-managed.md": "test_self_managed.py, tests/programs/test_terraform.py and tests/e2e/test_self_managed.py",
    "troubleshooting.md": "tests/e2e, which runs its proofs; tests/docs/test_troubleshooting.py finds no others",
}
COMMANDS = [command for page in PAGES if page.name not in ELSEWHERE for command in commands(page)]
MAKE = [command for command in COMMANDS if command.startswith("make ")]
PIPES = [command for command in COMMANDS if " | " in command]
HELM_COMMANDS = [command for command in COMMANDS if command.startswith("helm ") and command not in PIPES]
SERVE = [command for command in COMMANDS if command.startswith("pod-identity-webhook serve ")]
# tests/e2e and tests/cluster_e2e run these, because they need a webhook in a cluster.
IN_CLUSTER = [command for command in COMMANDS if "--ca-from-cluster" in command or command.startswith("kubectl ")]
ASKING = [command for command in COMMANDS if "--url" in command and command not in IN_CLUSTER]
# tests/docs/test_doctor_page.py runs these.
DOCTOR = [command for command in COMMANDS if command.startswith("pod-identity-webhook doctor")]
# tests/docs/test_issuer_commands.py and test_issuer_verify_commands.py run these.
ISSUER = [command for command in COMMANDS if command.startswith("pod-identity-webhook issuer ")]
LIVE = [command for command in COMMANDS if "--live" in command and command not in ISSUER]
# tests/e2e runs audit on a cluster.
AUDIT = [command for command in COMMANDS if command.startswith("pod-identity-webhook audit")]
CERTS = [command for command in COMMANDS if command.startswith("pod-identity-webhook certs ")]
# test_trust_policy_commands.py runs these.
TRUST_POLICY = [command for command in COMMANDS if command.startswith("pod-identity-webhook trust-policy ")]
REPLAY = [
    command
    for command in COMMANDS
    if command.startswith("pod-identity-webhook replay ") and command not in [*PIPES, *ASKING, *IN_CLUSTER, *LIVE]
]

HELM = """#!/bin/sh
[ "$*" = "template app" ] || exit 64
cat <<'END'
apiVersion: v1
kind: ServiceAccount
metadata:
  name: app
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/app
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
spec:
  template:
    spec:
      serviceAccountName: app
      containers:
        - name: app
END
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The folder in which a user would run the commands."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def test_every_documented_command_belongs_to_a_tested_kind() -> None:
    replay = (PIPES, ASKING, LIVE, REPLAY)
    kinds = (*replay, MAKE, HELM_COMMANDS, SERVE, IN_CLUSTER, AUDIT, CERTS, DOCTOR, ISSUER, TRUST_POLICY)

    assert sorted(command for kind in kinds for command in kind) == sorted(COMMANDS)
    assert all(kinds)


def test_the_readme_starts_with_the_two_commands() -> None:
    assert commands(ROOT / "README.md")[:2] == ["make demo", "make test"]


@pytest.mark.parametrize("command", MAKE)
def test_make_knows_the_target(command: str) -> None:
    done = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_documented_replay_commands_in_order_show_the_injection(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    for command in REPLAY:
        outcome = run(*shlex.split(command)[1:])

        assert outcome.code == 0, command
        if "--expect" not in command and "--output" not in command:
            assert outcome.out.count("\n# patched: injected\n") == 2
            assert outcome.out.count("\n# unchanged: no_role") == 1
    assert len(list((tree / "golden").glob("*.diff"))) == 3


@pytest.mark.parametrize("command", LIVE)
def test_the_documented_replay_commands_with_a_cluster_show_the_injection(
    command: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    accounts = yaml.safe_load_all((tree / "examples/service-accounts.yaml").read_text())
    with api_server(installed(*accounts)) as server:
        monkeypatch.setenv("KUBECONFIG", kubeconfig(tree / "config", production=server.url, staging=server.url))
        outcome = run(*shlex.split(command)[1:])

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.count("\n# patched: injected\n") == 2
    assert outcome.out.count("\n# unchanged: no_role") == 1


@pytest.mark.parametrize("command", HELM_COMMANDS)
def test_the_chart_exists_and_accepts_the_documented_values(command: str) -> None:
    """tests/cluster_e2e runs these commands on a whole cluster."""
    helm_python = pytest.importorskip("helm_python", reason="the Helm SDK has no wheel for this platform")
    shown = helm_command(command)

    assert (shown.release, shown.namespace) == ("pod-identity-webhook", "pod-identity-webhook")
    if shown.verb != "test":
        with helm_python.Chart.load(ROOT / shown.chart) as chart:
            rendered = chart.render(shown.values, name=shown.release, namespace=shown.namespace)
        deployment = next(text for path, text in rendered.items() if path.endswith("/deployment.yaml"))
        image = yaml.safe_load(deployment)["spec"]["template"]["spec"]["containers"][0]["image"]
        assert image == "registry.example.com/pod-identity-webhook:0.1.0"


@pytest.mark.parametrize("command", PIPES)
def test_the_documented_pipe_from_a_chart_works(command: str, tree: Path) -> None:
    programs = tree / "bin"
    programs.mkdir()
    ours = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m webhook "$@"\n'
    for name, script in (("helm", HELM), ("pod-identity-webhook", ours)):
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    path = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        command, shell=True, cwd=tree, env=without_settings() | path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "pod-identity-webhook replay: 1 replayed: 1 injected\n")
    assert done.stdout.startswith("# Deployment default/app (standard input, line 8)\n# patched: injected\n")


@pytest.mark.parametrize("command", SERVE)
def test_the_documented_commands_to_serve_and_ask_work(command: str, tree: Path) -> None:
    (tree / "identities.json").write_text("{}")
    environ = {
        "PIW_BIND_ADDRESS": "127.0.0.1",
        "PIW_METRICS_PORT": "0",
        # With this setting, the webhook exposes all of its metrics.
        "PIW_WATCH_CONTAINER_CREDENTIALS_CONFIG": "identities.json",
    }
    assert "--port 8443" in command
    with serving(shlex.split(command.replace("--port 8443", "--port 0"))[2:], tree, environ) as (port, metrics_port):
        asked = []
        for each in ASKING:
            assert "https://localhost:8443/mutate" in each
            argv = each.replace(":8443/", f":{port}/").replace(" certificate/", f" {tree}/certificate/")
            asked.append(run(*shlex.split(argv.replace(" examples/", f" {tree}/examples/"))[1:]))
        page = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics", trust_env=False).text
        ready = httpx.get(f"http://127.0.0.1:{metrics_port}/readyz", trust_env=False).status_code

    assert [(outcome.code, outcome.err) for outcome in asked] == [(0, "")] * len(ASKING)
    assert all(outcome.out.count("\n# patched: injected\n") == 2 for outcome in asked)
    assert ready == 200
    assert_documented(page)
