"""Reading the account from the metadata service, with a local HTTP server in its place."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.server.reviews import JSON, encoded, review_of, role_of
from tests.server.webhook_process import MANIFESTS, serving
from webhook.server import imds
from webhook.server.imds import InstanceIdentity, MetadataError, instance_identity

TOKEN = "AQAEAH-token=="
DOCUMENT = {"accountId": "444455556666", "region": "cn-north-1", "instanceId": "i-0", "version": "2017-09-30"}


class Metadata(ThreadingHTTPServer):
    """An IMDSv2 server: PUT with a lifetime returns a token, GET with the token returns the document."""

    daemon_threads = True

    def __init__(self, document: bytes, token: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.document = document
        self.token = token
        self.failures = 0
        self.calls: list[str] = []
        self.hang = threading.Event()
        self.hang.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Metadata

    def do_PUT(self) -> None:
        asked = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"] == "60"
        self.answer(200 if asked else 400, self.server.token)

    def do_GET(self) -> None:
        if self.headers["X-aws-ec2-metadata-token"] != TOKEN:
            self.answer(401, b"")
        else:
            known = self.path == "/latest/dynamic/instance-identity/document"
            self.answer(200 if known else 404, self.server.document)

    def answer(self, code: int, body: bytes) -> None:
        self.server.calls.append(f"{self.command} {code}")
        self.server.hang.wait(20)
        if self.server.failures:
            self.server.failures -= 1
            code = 503
        with suppress(ConnectionError):  # the client may have closed the connection
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def metadata(document: bytes = json.dumps(DOCUMENT).encode(), token: bytes = TOKEN.encode()) -> Iterator[Metadata]:
    with Metadata(document, token) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.hang.set()
            server.shutdown()
            thread.join()


def test_account_and_region_are_read_with_a_token() -> None:
    with metadata() as server:
        assert instance_identity(server.url) == InstanceIdentity("444455556666", "cn-north-1")
        assert instance_identity(f"{server.url}/") == InstanceIdentity("444455556666", "cn-north-1")
        assert server.calls == ["PUT 200", "GET 200"] * 2


def test_a_service_that_fails_at_first_is_asked_again() -> None:
    with metadata() as server:
        server.failures = 2
        assert instance_identity(server.url).accountId == "444455556666"
        assert server.calls == ["PUT 200", "PUT 200", "PUT 200", "GET 200"]


@pytest.mark.parametrize(
    ("document", "token", "problem"),
    [
        (b"", b"another", "401 Unauthorized"),
        (b"", b"two\nlines", "Illegal header value"),
        (b"", "tökén".encode(), "401 Unauthorized"),
        (b"<html>", TOKEN.encode(), "JSON is malformed"),
        (b"", TOKEN.encode(), "Input data was truncated"),
        (b"[]", TOKEN.encode(), "Expected `object`, got `array`"),
        (b'{"accountId": "444455556666"}', TOKEN.encode(), "missing required field `region`"),
        (b'{"accountId": 444455556666, "region": "x"}', TOKEN.encode(), "Expected `str`, got `int`"),
        (b'{"accountId": "4444", "region": "x"}', TOKEN.encode(), "accountId is '4444', not 12 digits"),
        (b'{"accountId": "\xff", "region": "x"}', TOKEN.encode(), "'utf-8' codec can't decode"),
        (b'{"x":' * 100_000, TOKEN.encode(), "maximum recursion depth exceeded"),
    ],
    ids=[
        "refused token",
        "token of two lines",
        "token beyond ASCII",
        "HTML",
        "empty",
        "array",
        "no region",
        "number",
        "account of four digits",
        "not UTF-8",
        "deep",
    ],
)
def test_an_invalid_answer_is_an_error_of_one_line(document: bytes, token: bytes, problem: str) -> None:
    with metadata(document, token) as server, pytest.raises(MetadataError) as failed:
        instance_identity(server.url)
    message = str(failed.value)
    assert message.startswith(f"--compose-role-arn: the instance metadata service at {server.url} did not return ")
    assert problem in message
    assert message.endswith("; set --aws-account-id and --aws-partition instead")
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize(
    "endpoint", ["", "169.254.169.254", "ftp://x", "http://[::1", "http://127.0.0.1:99999", "http://a b"]
)
def test_an_invalid_endpoint_url_is_an_error_of_one_line(endpoint: str) -> None:
    with pytest.raises(MetadataError) as failed:
        instance_identity(endpoint)
    assert "\n" not in str(failed.value)


def test_a_silent_service_is_an_error_after_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imds, "_TIMEOUT", 0.1)
    with metadata() as server:
        server.hang.clear()
        with pytest.raises(MetadataError, match="timed out"):
            instance_identity(server.url)
        assert server.calls == ["PUT 200"] * 3


def test_an_unreachable_service_is_an_error() -> None:
    with metadata() as server:
        url = server.url
    with pytest.raises(MetadataError, match="Connection refused"):
        instance_identity(url)


def test_role_names_become_roles_of_the_instances_account_and_partition(tmp_path: Path) -> None:
    (tmp_path / "manifests.yaml").write_text(
        MANIFESTS.replace("arn:aws:iam::111122223333:role/builder", "team/builder")
    )
    with (
        metadata() as server,
        serving(
            tmp_path,
            "--compose-role-arn",
            environ={"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url, "http_proxy": "http://127.0.0.1:1"},
        ) as webhook,
        webhook.client() as client,
    ):
        answer = client.post("/mutate", content=encoded(review_of("builder")), headers=JSON)
        assert role_of(answer) == "arn:aws-cn:iam::444455556666:role/team/builder"
