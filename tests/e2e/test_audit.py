"""The audit log of a real API server, under the policy that the documentation shows, read by the query shown there."""

import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.docs.pages import ROOT
from tests.e2e.api import ApiError
from tests.e2e.cluster import Cluster
from tests.e2e.objects import OTHER_ROLE, ROLE, pod, pods, service_account, service_accounts
from tests.e2e.rbac import account_with
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import Webhook

_PAGE = (ROOT / "docs/audit.md").read_text(encoding="utf-8")
_REQUIRE = "eks.amazonaws.com/require-pod-identity"


def _block(language: str) -> str:
    """The only block of this language on the page."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
    return str(block)


@pytest.fixture(params=["Metadata", "RequestResponse"])
def level(request: pytest.FixtureRequest) -> str:
    """The audit level: that of the policy that the documentation shows, and the other that it names."""
    return str(request.param)


@pytest.fixture
def audited_cluster(level: str, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose API server writes `audit.log` under the policy of the documentation."""
    directory = tmp_path / "cluster"
    directory.mkdir()
    policy = directory / "policy.yaml"
    shown = _block("yaml")
    assert shown.count("level: Metadata") == 1
    policy.write_text(shown.replace("level: Metadata", f"level: {level}"))
    flags = [f"--audit-policy-file={policy}", f"--audit-log-path={directory}/audit.log"]
    own = Cluster(directory, api_server_flags=flags)
    try:
        own.start()
        yield own
    finally:
        own.remove()


@pytest.fixture
def audited_webhook(audited_cluster: Cluster, tmp_path: Path) -> Iterator[Webhook]:
    own = Webhook(audited_cluster, tmp_path, account_with(audited_cluster, audited_cluster.namespace("webhook")))
    try:
        own.start()
        own.register(fails_closed_for=_REQUIRE)
        yield own
    finally:
        own.remove()


def _query(cluster: Cluster) -> list[list[str]]:
    """Runs the query of the documentation; returns the columns of its lines."""
    assert shutil.which("jq") is not None, "jq is not installed: apt-get install jq"
    done = subprocess.run(
        ["/bin/sh", "-c", _block("sh")], cwd=cluster.directory, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_the_query_shown_says_who_created_which_pod_with_which_role_and_when(
    audited_webhook: Webhook, level: str
) -> None:
    cluster = audited_webhook.cluster
    namespace = audited_webhook.pod_namespace("audited")
    for name, role in (("reader", ROLE), ("writer", OTHER_ROLE), ("plain", None)):
        cluster.admin.create(service_accounts(namespace), service_account(name, role))
    began = datetime.now(UTC)

    cluster.admin.create(pods(namespace), pod("first", "reader"))
    generated = pod("", "writer")
    generated["metadata"] = {"generateName": "generated-"}
    made = cluster.admin.create(pods(namespace), generated)["metadata"]["name"]
    cluster.admin.create(pods(namespace), pod("required", "reader", labels={_REQUIRE: "true"}))
    _create_as("jane", cluster, namespace, "impersonated")
    # No pod with a role comes of these.
    cluster.admin.create(pods(namespace), pod("without-role", "plain"))
    cluster.admin.create(pods(namespace), pod("dry", "reader"), dryRun="All")
    for refused in (pod("first", "reader"), pod("refused", "plain", labels={_REQUIRE: "true"})):
        with pytest.raises(ApiError):
            cluster.admin.create(pods(namespace), refused)
    cluster.admin.create(pods(namespace), pod("last", "writer"))

    lines = wait_until(
        lambda: next((found for found in (_query(cluster),) if found and found[-1][3] == "last"), None),
        "the last pod in the audit log",
        within=20,
    )
    assert _patch_annotations(cluster) == (level == "RequestResponse")
    assert [columns[1:] for columns in lines] == [
        ["admin", namespace, "first", "reader", ROLE],
        ["admin", namespace, "-" if level == "Metadata" else made, "writer", OTHER_ROLE],
        ["admin", namespace, "required", "reader", ROLE],
        ["jane", namespace, "impersonated", "reader", ROLE],
        ["admin", namespace, "last", "writer", OTHER_ROLE],
    ]
    times = [datetime.fromisoformat(columns[0]) for columns in lines]
    in_order = [began, *times, datetime.now(UTC)]
    assert in_order == sorted(in_order)


def _patch_annotations(cluster: Cluster) -> bool:
    """Whether the log has the webhooks' patches."""
    return '"patch.webhook.admission.k8s.io/round_0_index_0":' in (cluster.directory / "audit.log").read_text()


def _create_as(user: str, cluster: Cluster, namespace: str, name: str) -> None:
    """Creates a pod as the admin who impersonates `user`."""
    answer = httpx.post(
        cluster.url + pods(namespace),
        json=pod(name, "reader"),
        headers={
            "Authorization": f"Bearer {cluster.admin_token}",
            "Impersonate-User": user,
            "Impersonate-Group": "system:masters",
        },
        verify=ssl.create_default_context(cadata=cluster.ca),
        trust_env=False,
    )
    assert answer.status_code == 201, answer.text
