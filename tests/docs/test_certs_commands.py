import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest

from certs.state import ROTATE_CA_AFTER, ROTATE_LEAF_AFTER
from tests.commands.certs.certificates import SECRET, installation, served
from tests.commands.outcome import run
from tests.commands.replay.live import kubeconfig
from tests.docs.pages import ROOT, commands, quoted, table
from webhook.commands.certs import show as certs_show
from webhook.commands.certs.facts import Served
from webhook.commands.certs.handshake import ask
from webhook.commands.certs.kind import KindName

COMMANDS = commands(ROOT / "docs/certificates.md")
SHOW, ROTATE, ISSUE = (
    [command for command in COMMANDS if command.startswith(f"pod-identity-webhook certs {name}")]
    for name in ("show", "rotate", "issue")
)


def test_showing_and_rotating_as_shown_work_on_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with installation() as here, served(here.leaf, tmp_path) as address:

        def ask_there(host: str, _port: int, name: str, bundles: Iterable[tuple[bytes, ...]]) -> Served:
            assert host in {"localhost", "pod-identity-webhook.pod-identity-webhook.svc"}
            return ask("127.0.0.1", int(address.rpartition(":")[2]), name, bundles)

        monkeypatch.setattr(certs_show, "ask", ask_there)
        monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", here=here.cluster.url))
        done = [run(*shlex.split(command)[1:]) for command in [*SHOW, *ROTATE]]
        annotations = here.cluster.objects[SECRET]["metadata"]["annotations"]

    assert [(outcome.code, outcome.err) for outcome in done] == [(0, "")] * 4
    assert done[0].out.endswith("\nNo findings.\n")
    assert json.loads(done[1].out)["findings"] == []
    documented = [quoted(row[0])[0] for row in table("certificates.md", "The certs command")]
    kinds = list(get_args(KindName))
    assert documented == [*kinds, *annotations] == [*kinds, ROTATE_LEAF_AFTER, ROTATE_CA_AFTER]


def test_issuing_as_shown_issues_and_renews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = (run(*shlex.split(command)[1:]) for command in ISSUE)

    assert [(outcome.code, outcome.err) for outcome in (first, second)] == [(0, "")] * 2
    assert "Put this line into clientConfig" in first.out
    assert "The caBundle is unchanged" in second.out
