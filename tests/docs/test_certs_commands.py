import json
import shlex
import socket
from pathlib import Path
from typing import get_args

import pytest

from certs.state import ROTATE_CA_AFTER, ROTATE_LEAF_AFTER
from tests.commands.certs.certificates import SECRET, installation, served
from tests.commands.outcome import run
from tests.commands.replay.live import kubeconfig
from tests.docs.pages import ROOT, commands, quoted, table
from webhook.commands.certs.kind import KindName

COMMANDS = commands(ROOT / "docs/certificates.md")
SHOW, ROTATE, ISSUE = (
    [command for command in COMMANDS if command.startswith(f"pod-identity-webhook certs {name}")]
    for name in ("show", "rotate", "issue")
)


def test_the_documented_show_and_rotate_commands_work_on_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with installation() as here, served(here.leaf, tmp_path) as address:

        def connect_there(shown: tuple[str, int], timeout: float) -> socket.socket:
            assert shown[0] in {"localhost", "pod-identity-webhook.pod-identity-webhook.svc"}
            return connect(("127.0.0.1", int(address.rpartition(":")[2])), timeout)

        connect = socket.create_connection
        monkeypatch.setattr(socket, "create_connection", connect_there)
        monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", here=here.cluster.url))
        done = [run(*shlex.split(command)[1:]) for command in [*SHOW, *ROTATE]]
        annotations = here.cluster.objects[SECRET]["metadata"]["annotations"]

    assert [(outcome.code, outcome.err) for outcome in done] == [(0, "")] * 4
    assert done[0].out.endswith("\nNo findings.\n")
    assert json.loads(done[1].out)["findings"] == []
    documented = [quoted(row[0])[0] for row in table("certificates.md", "The certs command")]
    kinds = list(get_args(KindName))
    assert documented == [*kinds, *annotations] == [*kinds, ROTATE_LEAF_AFTER, ROTATE_CA_AFTER]


def test_the_documented_issue_command_issues_and_renews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = (run(*shlex.split(command)[1:]) for command in ISSUE)

    assert [(outcome.code, outcome.err) for outcome in (first, second)] == [(0, "")] * 2
    assert "Put this line into clientConfig" in first.out
    assert "The caBundle is unchanged" in second.out
