"""A caBundle that does not verify the webhook: the API server refuses the pod, and the webhook's log says why."""

import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.issue import issue_ca
from tests.e2e.api import ApiError
from tests.e2e.cluster import Cluster
from tests.e2e.objects import ROLE, pod, pods, service_account, service_accounts
from tests.e2e.rbac import account_with
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import CONFIGURATIONS, SERVICE, Webhook

_LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING webhook\.server\.http\.handshakes"
    r" TLS handshake failed: bad certificate; the client, most likely the API server, does not trust our certificate:"
    r" is the caBundle right, and is the certificate valid for the Service's name\?"
    r' failure="bad certificate" peer="127\.[0-9.]+:[0-9]+" left_out=0'
)
_FAILED = "pod_identity_webhook_failed_tls_handshakes_total"


@pytest.fixture
def untrusted(cluster: Cluster, tmp_path: Path) -> Iterator[Webhook]:
    """A webhook with a certificate from files, whose caBundle nothing repairs."""
    own = Webhook(cluster, tmp_path, account_with(cluster, cluster.namespace("untrusted")))
    try:
        own.start()
        own.register()
        yield own
    finally:
        own.remove()


def _trust_another_ca(webhook: Webhook) -> None:
    path = f"{CONFIGURATIONS}/{SERVICE}-{webhook.namespace}"
    configuration = webhook.cluster.admin.get(path)
    another = issue_ca(datetime.now(UTC), common_name="another CA").certificate
    for entry in configuration["webhooks"]:
        entry["clientConfig"]["caBundle"] = b64encode(another).decode()
    webhook.cluster.admin.call("PUT", path, configuration)


def test_an_api_server_with_a_wrong_ca_bundle_shows_in_the_log_once_a_minute(untrusted: Webhook) -> None:
    admin = untrusted.cluster.admin
    namespace = untrusted.pod_namespace("wrong-bundle")
    admin.create(service_accounts(namespace), service_account("app", ROLE))
    before = untrusted.metrics()[_FAILED]
    _trust_another_ca(untrusted)

    def refusal() -> str:
        try:
            admin.create(pods(namespace), pod("app", "app"), dryRun="All")
        except ApiError as error:
            return str(error)
        return ""

    first = wait_until(refusal, "the API server to use the new caBundle", within=20)
    again = refusal()

    assert all("x509: certificate signed by unknown authority" in each for each in (first, again))
    wait_until(lambda: untrusted.metrics()[_FAILED] >= before + 2, "two failed handshakes", within=10)
    (line,) = [line for line in untrusted.process.log_text().splitlines() if "handshake" in line]
    assert _LINE.fullmatch(line), line
