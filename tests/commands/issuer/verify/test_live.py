"""`issuer verify --live`: a token from the API server, which is verified and never shown."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.api_server import Answer, ApiServer, failure
from tests.commands.issuer.verify.issuer_server import Served
from tests.commands.outcome import Outcome, run
from tests.commands.replay.live import on_a_thread
from tests.issuer.published import ISSUER, token
from tests.server.object_server import ObjectServer

PATH = "/api/v1/namespaces/apps/serviceaccounts/web/token"


class TokenServer(ObjectServer):
    """Answers TokenRequests with `status` and `answer`."""

    def __init__(self, status: int, answer: Any) -> None:
        super().__init__()
        self.status, self.answer = status, answer
        self.created: list[tuple[str, Any]] = []

    async def _create(self, path: str, body: Any, answer: Answer) -> None:
        self.created.append((path, body))
        await answer.json(self.status, self.answer)


@contextlib.contextmanager
def answering(status: int, answer: Any) -> Iterator[TokenServer]:
    with on_a_thread(TokenServer(status, answer)) as server:
        yield server


def verify(served: Served, api_server: ApiServer, *flags: str) -> Outcome:
    access = ("--kubeconfig=", f"--kube-api={api_server.url}")
    return run("issuer", "verify", ISSUER, "--live", "-o=json", *served.flags, *access, *flags)


def failed(outcome: Outcome) -> dict[str, str]:
    checks = json.loads(outcome.out)["checks"]
    return {check["name"]: check["found"] for check in checks if check["outcome"] == "failed"}


def fresh(**claims: Any) -> str:
    now = int(time.time())
    return token(iat=now, nbf=now, exp=now + 600, **claims)


@pytest.fixture(autouse=True)
def _outside_of_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", "/nowhere")


def test_the_token_of_a_service_account_is_requested_and_verified(server: Served) -> None:
    text = fresh()
    with answering(201, {"status": {"token": text, "expirationTimestamp": "2026-11-29T12:00:00Z"}}) as api_server:
        outcome = verify(server, api_server, "--service-account=apps/web")

    assert (outcome.code, outcome.err, failed(outcome)) == (0, "", {})
    assert api_server.created == [
        (
            PATH,
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"audiences": ["sts.amazonaws.com"], "expirationSeconds": 600},
            },
        )
    ]
    assert not any(part in outcome.out for part in text.split("."))


def test_the_first_client_id_is_the_audience_that_is_requested(server: Served) -> None:
    with answering(201, {"status": {"token": fresh(aud=["mine"])}}) as api_server:
        outcome = verify(server, api_server, "--audience=mine", "--audience=sts.amazonaws.com")

    assert (outcome.code, failed(outcome)) == (0, {})
    ((path, body),) = api_server.created
    assert path == "/api/v1/namespaces/default/serviceaccounts/default/token"
    assert body["spec"]["audiences"] == ["mine"]


def test_a_token_that_rbac_denies_is_a_failed_requirement_beside_the_others(server: Served) -> None:
    with answering(403, failure(403, "Forbidden", "no")) as api_server:
        outcome = verify(server, api_server, "--service-account=apps/web")

    assert outcome.code == 1
    assert failed(outcome) == {
        "token": "no token of ServiceAccount apps/web could be requested: "
        "create serviceaccounts/token web in namespace apps: 403: no "
        '(grant apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"], '
        'resourceNames: ["web"] in a Role in namespace apps)'
    }


def test_an_answer_that_is_no_token_request_is_not_shown(server: Served) -> None:
    with answering(201, {"status": {"token": ["secret"]}}) as api_server:
        outcome = verify(server, api_server)

    assert failed(outcome) == {"token": "the API server's answer is not a TokenRequest"}
    assert "secret" not in outcome.out


def test_without_a_cluster_that_answers_the_issuer_is_verified_all_the_same(server: Served) -> None:
    outcome = run("issuer", "verify", ISSUER, "--live", "--kube-api=http://127.0.0.1:1", "-o=json", *server.flags)

    assert outcome.code == 1
    assert list(failed(outcome)) == ["token"]
    assert failed(outcome)["token"].startswith(
        "no token of ServiceAccount default/default could be requested: the API server at http://127.0.0.1:1 cannot be "
        "reached: Connect"
    )


def test_a_kubeconfig_that_is_not_there_is_one_line(server: Served) -> None:
    outcome = run("issuer", "verify", ISSUER, "--live", "-o=json", *server.flags)

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(
        "pod-identity-webhook issuer verify: no token of ServiceAccount default/default could be requested: /nowhere: "
        "no such kubeconfig"
    )
    assert outcome.err.count("\n") == 1
