"""Match conditions: only the API server evaluates them, so no command says for certain what becomes of a pod."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.outcome import run_process
from tests.e2e.cluster import Cluster
from tests.e2e.doctor_command import doctor
from tests.e2e.helm_release import HelmRelease
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts
from tests.e2e.waiting import wait_until

_BATCH = {"batch": "yes"}
_CONDITION = {"name": "not-batch", "expression": "!has(object.metadata.labels) || !('batch' in object.metadata.labels)"}


@pytest.fixture
def release(cluster: Cluster, tmp_path: Path) -> Iterator[HelmRelease]:
    own = HelmRelease(cluster, tmp_path)
    yield own
    own.close()


def test_replay_and_doctor_are_certain_only_if_there_are_no_match_conditions(
    cluster: Cluster, release: HelmRelease, tmp_path: Path
) -> None:
    are_known = cluster.version >= (1, 28)
    release.install({"mutatingWebhook": {"matchConditions": [_CONDITION]}})
    namespace = cluster.namespace("shop")
    cluster.admin.create(service_accounts(namespace), service_account("app", ROLE))
    usual, batch = pod("usual", "app"), pod("batch", "app", labels=_BATCH)
    made = [{"apiVersion": "v1", "kind": "Pod", **each} for each in (usual, batch)]

    def created(manifest: Any) -> str | None:
        return role_of(cluster.admin.create(pods(namespace), manifest, dryRun="All"))

    wait_until(lambda: created(usual) == ROLE, "the API server to call the webhook", within=20)
    assert created(batch) == (None if are_known else ROLE)

    manifests = tmp_path / "pods.json"
    manifests.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
    replayed = run_process(
        *("replay", "--live", "--output=json", f"--namespace={namespace}", str(manifests)),
        environ={"KUBECONFIG": str(cluster.kubeconfig)},
    )
    outcomes = [each["outcome"] for each in json.loads(replayed.out)]
    assert (replayed.code, outcomes) == (0, ["uncertain" if are_known else "injected"] * 2), replayed

    said = doctor(cluster.kubeconfig, "serviceaccount", f"{namespace}/app")
    assert said.statuses["dry-run"] == "ok", said.lines()
    assert said.statuses["called"] == ("unknown" if are_known else "ok")
    assert ("not-batch" in said.step("called")["found"]) is are_known
