"""A stand-in for the metadata service of an EC2 instance (IMDSv2), which gives the credentials of the node's role."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

NODE_ROLE: Final = "node"
_CREDENTIALS: Final = "/latest/meta-data/iam/security-credentials/"


class InstanceMetadata:
    """Runs from construction to `close`, at `url`. `credentials`: AccessKeyId, SecretAccessKey, Token, Expiration."""

    def __init__(self, credentials: Mapping[str, str]) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        role = json.dumps({"Code": "Success", "Type": "AWS-HMAC", **credentials})
        self._server.answers = {
            "/latest/api/token": "a-token",
            _CREDENTIALS: NODE_ROLE,
            f"{_CREDENTIALS}{NODE_ROLE}": role,
        }
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="imds", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    answers: Mapping[str, str]


class _Handler(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        answer = self.server.answers.get(self.path)
        self.send_response(200 if answer is not None else 404)
        body = (answer or "").encode()
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-aws-ec2-metadata-token-ttl-seconds", "21600")
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_GET

    def log_message(self, *_: object) -> None:
        """Logs nothing."""
