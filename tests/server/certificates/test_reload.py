"""Changes of files while the webhook serves."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from certs.issue import Names, issue_ca, issue_leaf
from tests.server.reviews import JSON, ROLE, encoded, review_of, role_of
from tests.server.webhook_process import MANIFESTS, WebhookProcess, serving, wait_until

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookProcess]:
    folder = tmp_path_factory.mktemp("webhook")
    with serving(folder, f"--watch-container-credentials-config={folder / 'identities.json'}") as process:
        yield process


def role(client: httpx.Client, account: str) -> str | None:
    return role_of(client.post("/mutate", content=encoded(review_of(account)), headers=JSON))


def has_container_credentials(client: httpx.Client, account: str) -> bool:
    answer = client.post("/mutate", content=encoded(review_of(account)), headers=JSON).json()["response"]
    return (
        answer.get("auditAnnotations", {}).get("decision") == "injected"
        and "role-arn" not in answer["auditAnnotations"]
    )


def replace(path: Path, content: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(content)
    new.replace(path)


def test_a_new_service_account_is_injected_and_bad_manifests_keep_the_old_state(
    webhook: WebhookProcess, client: httpx.Client
) -> None:
    assert role(client, "later") is None
    later = MANIFESTS.replace("builder", "later")
    replace(webhook.manifests, f"{MANIFESTS}---\n{later}")
    wait_until(lambda: role(client, "later") == ROLE.replace("builder", "later"), "the new role")
    assert role(client, "builder") == ROLE

    replace(webhook.manifests, "kind: [")
    webhook.wait_for_log("; the old manifests stay in use")
    assert role(client, "builder") == ROLE

    replace(webhook.manifests, later)
    wait_until(lambda: role(client, "builder") is None, "the removed ServiceAccount to be forgotten")
    assert role(client, "later") == ROLE.replace("builder", "later")
    replace(webhook.manifests, MANIFESTS)
    wait_until(lambda: role(client, "builder") == ROLE, "the first state")


def test_container_credentials_follow_their_file_and_stay_while_it_is_bad(
    webhook: WebhookProcess, client: httpx.Client
) -> None:
    path = webhook.folder / "identities.json"
    assert role(client, "builder") == ROLE
    replace(path, json.dumps({"identities": [{"namespace": "ci", "serviceAccount": "builder"}]}))
    wait_until(lambda: has_container_credentials(client, "builder"), "the identity")
    replace(path, "{")
    webhook.wait_for_log("Input data was truncated; keeping the last good state: 1 identities")
    assert has_container_credentials(client, "builder")
    path.unlink()
    wait_until(lambda: role(client, "builder") == ROLE, "the identity to be revoked")


def serving_certificate(webhook: WebhookProcess) -> bytes | None:
    with (
        socket.create_connection(("127.0.0.1", webhook.port), timeout=20) as plain,
        webhook.tls.wrap_socket(plain, server_hostname="localhost") as conn,
    ):
        return conn.getpeercert(binary_form=True)


def test_a_new_certificate_is_served_to_new_connections_and_a_bad_one_is_not(tmp_path: Path) -> None:
    ca = issue_ca(NOW, common_name="test CA")
    names = Names.parse(["localhost"])
    old, new = (issue_leaf(ca, names, NOW, lifetime=timedelta(days=days)) for days in (10, 20))
    (tmp_path / "ca.crt").write_bytes(ca.certificate)
    (tmp_path / "tls.crt").write_bytes(old.certificate)
    (tmp_path / "tls.key").write_bytes(old.private_key)
    own = ("--ephemeral-certificate=", f"--tls-cert={tmp_path / 'tls.crt'}", f"--tls-key={tmp_path / 'tls.key'}")
    with serving(tmp_path, *own) as webhook:
        with webhook.client() as client:
            first = serving_certificate(webhook)
            assert role(client, "builder") == ROLE
            (tmp_path / "tls.crt").write_bytes(new.certificate)
            webhook.wait_for_log("is not the private key of")
            assert serving_certificate(webhook) == first
            (tmp_path / "tls.key").write_bytes(new.private_key)
            wait_until(lambda: serving_certificate(webhook) != first, "the new certificate")
            # The old connection still works.
            assert role(client, "builder") == ROLE
        (tmp_path / "tls.key").unlink()
        webhook.wait_for_log("cannot read")
        with webhook.client() as client:
            assert role(client, "builder") == ROLE
