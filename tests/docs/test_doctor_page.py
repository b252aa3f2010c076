"""docs/doctor.md, and the sections of docs/troubleshooting.md that `doctor` names."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.commands.outcome import run
from tests.commands.replay.live import api_server, kubeconfig
from tests.docs.pages import ROOT, anchors, commands, quoted, table
from webhook.diagnosis.doctor import sections
from webhook.diagnosis.doctor.questions import ACCOUNT_STEPS, ALL_STEPS, ASSUME, INSTALLATION_STEPS, POD_STEPS
from webhook.diagnosis.doctor.step import PAGE

_SECTIONS = [value for name, value in vars(sections).items() if name.isupper()]


@pytest.mark.parametrize("section", _SECTIONS)
def test_each_section_that_a_step_names_exists(section: str) -> None:
    assert section in anchors(ROOT / PAGE)


def test_each_step_names_one_of_them() -> None:
    assert {question.anchor for question in ALL_STEPS} <= set(_SECTIONS)


def test_the_page_lists_every_step() -> None:
    installation = [name for row in table("doctor.md", "The installation") for name in quoted(row[0])]
    chain = [name for row in table("doctor.md", "The chain of a ServiceAccount or a pod") for name in quoted(row[0])]

    assert installation == [question.name for question in INSTALLATION_STEPS]
    assert {*installation, *chain} == {question.name for question in ALL_STEPS}
    assert {question.name for question in (*ACCOUNT_STEPS, *POD_STEPS, ASSUME)} <= {*installation, *chain}


@pytest.mark.parametrize("command", commands(ROOT / "docs/doctor.md"))
def test_a_shown_command_runs(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a cluster without the webhook: tests/e2e has whole clusters."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    (tmp_path / "role.json").write_text('{"Version": "2012-10-17", "Statement": []}')
    metadata = {"name": "reports-0", "namespace": "shop"}
    objects: dict[str, Any] = {
        "/api/v1/namespaces/shop/pods/reports-0": {"metadata": metadata, "spec": {"containers": [{"name": "app"}]}},
        "/apis/apps/v1/namespaces/shop/deployments/reports": {
            "metadata": {"name": "reports", "namespace": "shop"},
            "spec": {"template": {"spec": {"containers": []}}},
        },
    }
    with api_server(objects) as server:
        monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", production=server.url))
        outcome = run(*shlex.split(command)[1:], "--output=json")

    assert (outcome.code, outcome.err) == (1, "")
    assert "configuration" in json.loads(outcome.out)["failed"]
