"""Match conditions: `replay` evaluates those that it can as the API server does; other commands name them."""

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
from tests.features import Feature

_BATCH = {"batch": "yes"}
_CONDITION = {"name": "not-batch", "expression": "!has(object.metadata.labels) || !('batch' in object.metadata.labels)"}
# Each decides about the pod with its number only. With the outcome by `replay`, which must be that of the API server.
_CASES = {
    "object.metadata.labels['case'].startsWith('1')": "not-called",
    "object.metadata.?labels['none'].orValue('x') == 'x'": "injected",
    "!has(object.metadata.annotations)": "injected",
    "object.spec.containers.exists(c, c.name == 'sidecar')": "not-called",
    "object.metadata.name.endsWith('4') && object.spec.serviceAccountName == 'app'": "injected",
    "object.metadata.namespace == request.namespace && request.operation == 'CREATE'": "injected",
    "oldObject != null": "not-called",
    "request.userInfo.username.startsWith('system:node:')": "uncertain",
    "!request.userInfo.username.startsWith('system:node:')": "uncertain",
    "object.spec.containers.map(c, c.name).join(',') == 'app'": "injected",
    # Of a pod from a manifest it is not known who creates it, but that somebody does.
    "!has(request.userInfo)": "uncertain",
}


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
    assert (replayed.code, outcomes) == (0, ["injected", "not-called" if are_known else "injected"]), replayed

    said = doctor(cluster.kubeconfig, "serviceaccount", f"{namespace}/app")
    assert said.statuses["dry-run"] == "ok", said.lines()
    assert said.statuses["called"] == ("unknown" if are_known else "ok")
    assert ("not-batch" in said.step("called")["found"]) is are_known


@pytest.mark.needs(Feature.MATCH_CONDITIONS)
def test_replay_evaluates_conditions_as_the_api_server_does(
    cluster: Cluster, release: HelmRelease, tmp_path: Path
) -> None:
    conditions = [
        {"name": f"case-{number}", "expression": f"object.metadata.labels['case'] != '{number}' || ({expression})"}
        for number, expression in enumerate(_CASES)
    ]
    release.install({"mutatingWebhook": {"matchConditions": conditions}})
    namespace = cluster.namespace("cases")
    cluster.admin.create(service_accounts(namespace), service_account("app", ROLE))
    made = [
        {"apiVersion": "v1", "kind": "Pod", **pod(f"case-{number}", "app", labels={"case": str(number)})}
        for number in range(len(_CASES))
    ]

    def created(manifest: Any) -> str | None:
        return role_of(cluster.admin.create(pods(namespace), manifest, dryRun="All"))

    wait_until(lambda: created(made[1]) == ROLE, "the API server to call the webhook", within=20)
    manifests = tmp_path / "pods.json"
    manifests.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
    replayed = run_process(
        *("replay", "--live", "--output=json", f"--namespace={namespace}", str(manifests)),
        environ={"KUBECONFIG": str(cluster.kubeconfig)},
    )
    outcomes = [each["outcome"] for each in json.loads(replayed.out)]

    assert outcomes == list(_CASES.values()), replayed
    really = ["injected" if created(each) == ROLE else "not-called" for each in made]
    certain = [(said, done) for said, done in zip(outcomes, really, strict=True) if said != "uncertain"]
    assert certain == [(done, done) for _, done in certain]
    # What `replay` cannot know goes either way.
    assert really[outcomes.index("uncertain") :][:2] == ["not-called", "injected"]
