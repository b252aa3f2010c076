"""A small stand-in for AWS IAM on a local port, for one account: what `aws iam` reads of roles and providers.

Clients use it by `AWS_ENDPOINT_URL_IAM`. It verifies no signature.
"""

import threading
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, quote

from tests.sts.accounts import Account

_NAMESPACE: Final = "https://iam.amazonaws.com/doc/2010-05-08/"
_CREATED: Final = "2026-01-01T00:00:00Z"


class Iam:
    """The stand-in, from construction to `close`; it reads `account` at each call. `actions` are the calls so far."""

    def __init__(self, number: str, account: Account) -> None:
        self.number = number
        self.account = account
        self.actions: list[str] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.iam = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="iam", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def answer(self, body: bytes) -> tuple[int, bytes]:
        parameters = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        action = parameters["Action"]
        self.actions.append(action)
        root = ET.Element(f"{action}Response", xmlns=_NAMESPACE)
        result = ET.SubElement(root, f"{action}Result")
        found = {
            "GetRole": self._role,
            "GetOpenIDConnectProvider": self._provider,
            "ListOpenIDConnectProviders": self._providers,
        }[action](result, parameters)
        if not found:
            root = ET.Element("ErrorResponse", xmlns=_NAMESPACE)
            error = ET.SubElement(root, "Error")
            ET.SubElement(error, "Code").text = "NoSuchEntity"
            ET.SubElement(error, "Message").text = "it cannot be found."
        return (200 if found else 404), ET.tostring(root)

    def _role(self, result: ET.Element, parameters: dict[str, str]) -> bool:
        name = parameters["RoleName"]
        path = next((path for path in self.account.roles if path.rpartition("/")[2] == name), None)
        if path is None:
            return False
        role = ET.SubElement(result, "Role")
        texts = {
            "Path": "/",
            "RoleName": name,
            "RoleId": "AROA",
            "Arn": f"arn:aws:iam::{self.number}:role/{path}",
            "CreateDate": _CREATED,
            "AssumeRolePolicyDocument": quote(self.account.roles[path].trust_policy),
        }
        for key, text in texts.items():
            ET.SubElement(role, key).text = text
        return True

    def _provider(self, result: ET.Element, parameters: dict[str, str]) -> bool:
        url = parameters["OpenIDConnectProviderArn"].partition(":oidc-provider/")[2]
        if url not in self.account.providers:
            return False
        ET.SubElement(result, "Url").text = url
        members = ET.SubElement(result, "ClientIDList")
        for client_id in sorted(self.account.providers[url]):
            ET.SubElement(members, "member").text = client_id
        return True

    def _providers(self, result: ET.Element, _: dict[str, str]) -> bool:
        members = ET.SubElement(result, "OpenIDConnectProviderList")
        for url in self.account.providers:
            member = ET.SubElement(members, "member")
            ET.SubElement(member, "Arn").text = f"arn:aws:iam::{self.number}:oidc-provider/{url}"
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    iam: Iam


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_POST(self) -> None:
        assert isinstance(self.server, _Server)
        status, body = self.server.iam.answer(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Logs nothing."""
