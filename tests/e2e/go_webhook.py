"""Stands in for the Go webhook of an old installation, at the address of its Service.

Like the Go webhook, it replaces the whole list of containers, adds only the variables that a container lacks, and knows
its own volume by name.
"""

import json
import ssl
import threading
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from certs.files import write_pair
from certs.issue import Names, issue_ca, issue_leaf, service_names
from tests.e2e.api import Object

_VOLUME: Final = "aws-iam-token"
_MOUNT: Final = "/var/run/secrets/eks.amazonaws.com/serviceaccount"


@dataclass(frozen=True)
class GoSettings:
    """The flags of the Go webhook, and the roles of ServiceAccounts by `namespace/name`."""

    roles: dict[str, str]
    audience: str = "sts.amazonaws.com"
    region: str = ""
    is_sts_regional: bool = False


class GoWebhook:
    """Answers on port 443 of an address until closed. `calls` counts its answers; `ca` is in PEM."""

    def __init__(self, service: str, namespace: str, directory: Path, settings: GoSettings) -> None:
        now = datetime.now(UTC)
        ca = issue_ca(now, common_name="CA of the Go webhook")
        leaf = issue_leaf(ca, Names.parse(service_names(service, namespace)), now)
        files = write_pair(directory / f"go-{namespace}", ca.certificate, leaf)
        self.ca = ca.certificate
        self.calls = 0
        self._settings = settings
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(files.certificate, files.private_key)
        self._server: ThreadingHTTPServer | None = None

    def serve(self, address: str) -> None:
        """Starts to answer at this address."""
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = json.dumps(webhook.answer(review)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name in http.server
                """Says nothing."""

        server = self._server = ThreadingHTTPServer((address, 443), Handler)
        server.daemon_threads = True
        server.socket = self._context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, name="go-webhook", daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, review: Object) -> Object:
        """Returns the answer to an AdmissionReview."""
        self.calls += 1
        request = review["request"]
        response: Object = {"uid": request["uid"], "allowed": True}
        spec = request["object"]["spec"]
        role = self._settings.roles.get(f"{request['namespace']}/{spec.get('serviceAccountName', '')}")
        if role is not None:
            patch = json.dumps(self._patch(spec, role)).encode()
            response |= {"patchType": "JSONPatch", "patch": b64encode(patch).decode()}
        return {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response}

    def _patch(self, spec: Object, role: str) -> list[Object]:
        token = {"audience": self._settings.audience, "expirationSeconds": 86400, "path": "token"}
        volume = {"name": _VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}}
        operations: list[Object] = []
        if not spec.get("volumes"):
            operations.append({"op": "add", "path": "/spec/volumes", "value": [volume]})
        elif all(one["name"] != _VOLUME for one in spec["volumes"]):
            operations.append({"op": "add", "path": "/spec/volumes/0", "value": volume})
        containers = [self._container(one, role) for one in spec["containers"]]
        return [*operations, {"op": "add", "path": "/spec/containers", "value": containers}]

    def _container(self, container: Object, role: str) -> Object:
        env = list(container.get("env", []))
        names = {one["name"] for one in env}

        def add(**variables: str) -> None:
            if not names & variables.keys():
                env.extend({"name": name, "value": value} for name, value in variables.items())

        if self._settings.is_sts_regional:
            add(AWS_STS_REGIONAL_ENDPOINTS="regional")
        if self._settings.region:
            add(AWS_DEFAULT_REGION=self._settings.region, AWS_REGION=self._settings.region)
        add(AWS_ROLE_ARN=role, AWS_WEB_IDENTITY_TOKEN_FILE=f"{_MOUNT}/token")
        mounts = list(container.get("volumeMounts", []))
        if all(one["name"] != _VOLUME for one in mounts):
            mounts.append({"name": _VOLUME, "readOnly": True, "mountPath": _MOUNT})
        return {**container, "env": env, "volumeMounts": mounts}
