"""Tests the program that `helm test` runs, against a server that answers like an API server."""

import importlib.util
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from certs.files import ephemeral
from tests.charts.rendering import CHART

ROLE = "arn:aws:iam::123456789012:role/test"
REQUIRE = "eks.amazonaws.com/require-pod-identity"
ENV = [
    {"name": "AWS_ROLE_ARN", "value": ROLE},
    {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/token-folder/token"},
]
MOUNTS = [{"name": "aws-iam-token", "mountPath": "/token-folder", "readOnly": True}]
VOLUMES = [{"name": "aws-iam-token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}]


class ApiServer(ThreadingHTTPServer):
    """Gives one answer after the other: additions to the pod, or a status code."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        files = ephemeral(folder, ("127.0.0.1",), datetime.now(UTC))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.private_key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.answers: list[tuple[dict[str, Any], list[Any]] | int] = []
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []


class Handler(BaseHTTPRequestHandler):
    server: ApiServer

    def do_POST(self) -> None:
        pod = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], json.loads(json.dumps(pod))))
        answer = self.server.answers.pop(0)
        if isinstance(answer, int):
            body = b'{"message": "failed calling webhook"}'
            self.send_response(answer)
        else:
            container, volumes = answer
            pod["spec"]["containers"][0].update(container)
            pod["spec"]["volumes"] = volumes
            body = json.dumps(pod).encode()
            self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    server = ApiServer(tmp_path)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    (tmp_path / "token").write_text("secret\n")
    for name, value in {
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(server.server_address[1]),
        "TEST_NAMESPACE": "eks-test",
        "TEST_SERVICE_ACCOUNT": "account",
        "TEST_ROLE_ARN": ROLE,
        "TEST_POD_LABELS": '{"team": "shop"}',
        "TEST_REQUIRE_LABEL": REQUIRE,
    }.items():
        monkeypatch.setenv(name, value)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("dry_run", CHART / "files/dry_run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "CREDENTIALS", tmp_path)
    monkeypatch.setattr(module, "PAUSE", 0.0)
    return module


def test_pods_that_come_back_with_their_role_pass(
    program: ModuleType, api_server: ApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    api_server.answers = [({"env": ENV, "volumeMounts": MOUNTS}, VOLUMES)] * 2

    assert program.main() == 0

    assert capsys.readouterr().out.splitlines() == [
        "labelled pod: has its role and its token",
        "plain pod: has its role and its token",
    ]
    path, authorization, pod = api_server.asked[0]
    assert path == "/api/v1/namespaces/eks-test/pods?dryRun=All"
    assert authorization == "Bearer secret"
    assert pod["metadata"]["labels"] == {"team": "shop", REQUIRE: "true"}
    assert pod["spec"]["serviceAccountName"] == "account"
    assert api_server.asked[1][2]["metadata"]["labels"] == {"team": "shop"}


def test_it_waits_for_a_webhook_that_is_just_starting(
    program: ModuleType, api_server: ApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    right = ({"env": ENV, "volumeMounts": MOUNTS}, VOLUMES)
    api_server.answers = [500, right, ({}, []), right]

    assert program.main() == 0

    assert capsys.readouterr().out.splitlines() == [
        'labelled pod: HTTP 500: {"message": "failed calling webhook"}',
        "labelled pod: has its role and its token",
        "plain pod: AWS_ROLE_ARN is not set",
        "plain pod: has its role and its token",
    ]


@pytest.mark.parametrize(
    ("container", "volumes", "reason"),
    [
        ({}, [], "AWS_ROLE_ARN is not set"),
        ({"env": [{"name": "AWS_ROLE_ARN", "value": "another"}]}, VOLUMES, "AWS_ROLE_ARN is another"),
        ({"env": ENV[:1], "volumeMounts": MOUNTS}, VOLUMES, "AWS_WEB_IDENTITY_TOKEN_FILE is not set"),
        ({"env": ENV}, VOLUMES, "no token is mounted at /token-folder/token"),
        ({"env": ENV, "volumeMounts": MOUNTS}, [], "no token is mounted at /token-folder/token"),
        (
            {"env": ENV, "volumeMounts": MOUNTS},
            [{"name": "aws-iam-token", "emptyDir": {}}],
            "no token is mounted at /token-folder/token",
        ),
    ],
)
def test_what_a_pod_lacks_is_said(
    program: ModuleType,
    api_server: ApiServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    container: dict[str, Any],
    volumes: list[Any],
    reason: str,
) -> None:
    monkeypatch.setattr(program, "PATIENCE", -1.0)
    api_server.answers = [(container, volumes)]

    assert program.main() == 1
    assert capsys.readouterr().out == f"labelled pod: {reason}\n"


def test_an_api_server_that_cannot_be_reached_is_said(
    program: ModuleType,
    api_server: ApiServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(program, "PATIENCE", -1.0)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.2")

    assert program.main() == 1
    assert "labelled pod: " in capsys.readouterr().out
    assert api_server.asked == []
