"""The paths of both ports."""

import json
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.reviews import JSON, encoded, review_of
from tests.server.webhook_process import WebhookProcess, serving

MANIFESTS = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ServiceAccount
  metadata:
    name: builder
    namespace: ci
    annotations:
      eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/builder
      eks.amazonaws.com/audience: other
      eks.amazonaws.com/sts-regional-endpoints: "true"
      eks.amazonaws.com/token-expiration: "3600"
- apiVersion: v1
  kind: ServiceAccount
  metadata:
    name: default
    namespace: ci
"""


def test_healthz_is_answered_on_both_ports(webhook: WebhookProcess, client: httpx.Client) -> None:
    for answer in (client.get("/healthz"), webhook.get("/healthz")):
        assert (answer.status_code, answer.text) == (200, "ok\n")
    assert client.head("/healthz").status_code == 200


def test_readyz_is_answered_on_the_metrics_port_alone(webhook: WebhookProcess, client: httpx.Client) -> None:
    answer = webhook.get("/readyz")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert client.get("/readyz").status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/docs", "/openapi.json", "/healthz/", "/mutate/x", "/debug/alpha/cache"]
)
def test_another_path_of_the_https_port_is_not_found(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/mutate", "/docs", "/openapi.json", "/metrics/", "/debug/alpha/cache", "/debug"]
)
def test_another_path_of_the_metrics_port_is_not_found(webhook: WebhookProcess, path: str) -> None:
    assert webhook.get(path).status_code == 404


def test_the_cache_is_shown_where_the_debugging_handlers_are_on(tmp_path: Path) -> None:
    (tmp_path / "manifests.yaml").write_text(MANIFESTS)
    with serving(tmp_path, "--enable-debugging-handlers") as webhook:
        answer = webhook.get("/debug/alpha/cache")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert json.loads(answer.text) == {
            "ci/builder": {
                "RoleARN": "arn:aws:iam::111122223333:role/builder",
                "Audience": "other",
                "UseRegionalSTS": True,
                "TokenExpiration": 3600,
            }
        }


@pytest.mark.only_ours("negotiates the protocol")
@pytest.mark.parametrize(("offered", "agreed"), [(["h2", "http/1.1"], "http/1.1"), (["h2"], None)])
def test_the_only_protocol_to_agree_on_is_http_1_1(
    webhook: WebhookProcess, offered: list[str], agreed: str | None
) -> None:
    context = ssl.create_default_context(cafile=str(webhook.folder / "ca.crt"))
    context.set_alpn_protocols(offered)
    with (
        socket.create_connection(("127.0.0.1", webhook.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as conn,
    ):
        assert conn.selected_alpn_protocol() == agreed


def test_where_the_namespace_requires_an_identity_no_pod_with_a_role_is_admitted_without_it(
    webhook: WebhookProcess, client: httpx.Client
) -> None:
    def asked(path: str, review: dict[str, Any]) -> dict[str, Any]:
        answer = client.post(path, content=encoded(review), headers=JSON)
        assert answer.status_code == 200
        response: dict[str, Any] = answer.json()["response"]
        return response

    with_role, without = review_of("builder"), review_of("default")
    skipped = review_of("builder")
    skipped["request"]["object"]["metadata"]["annotations"] = {"eks.amazonaws.com/skip-containers": "main,init"}
    assert "patch" in asked("/mutate/require", with_role)
    assert asked("/mutate/require", without)["allowed"] is True
    refused = asked("/mutate/require", skipped)
    assert (refused["allowed"], refused["status"]["code"]) == (False, 403)
    assert refused["status"]["message"] == (
        "pod-identity-webhook: the namespace is labelled eks.amazonaws.com/require-pod-identity"
        " but the pod would lack its credentials: all its containers are skipped"
    )
    assert asked("/mutate", skipped)["allowed"] is True
    assert client.get("/mutate/require").status_code == 405
    page = webhook.get("/metrics").text
    assert 'http_request_count{verb="POST",path="/mutate/require",code="200"} 3\n' in page
    assert 'http_request_count{verb="GET",path="/mutate/require",code="405"} 1\n' in page
