"""A small stand-in for AWS STS on a local port: AssumeRoleWithWebIdentity and GetCallerIdentity.

It decides as STS does, from the issuer's documents, the accounts and the trust policies, and records each call.
Clients use it by `AWS_ENDPOINT_URL_STS`. It differs from STS: plain HTTP, one endpoint for all accounts and regions,
no throttling, and changes of IAM count at once.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from tests.sts.accounts import Accounts
from tests.sts.answers import assumed, caller, refused
from tests.sts.bounded_fetch import Fetcher
from tests.sts.clock import Clock
from tests.sts.issuer_keys import IssuerKeys
from tests.sts.parameters import read_request
from tests.sts.refusal import Refusal
from tests.sts.sessions import Sessions, SignedRequest
from tests.sts.web_identity import check
from webhook.issuer.trust_policy.provider import ProviderArn, without_scheme

_VERSION: Final = "2011-06-15"
_MAX_BODY: Final = 64 * 1024


@dataclass(frozen=True)
class Call:
    """One call: its action, its parameters, the access key that signed it ("" if none), and the answer's code.

    `code` is "" if the call succeeded; `given` is the access key that the answer gave.
    """

    action: str
    parameters: Mapping[str, str]
    signed_by: str
    code: str
    given: str = ""


class Sts:
    """The stand-in, from construction to `close`. A test changes `accounts` and `clock` as it needs.

    `fetcher` reaches the issuers, whose keys stay for `keep_keys` in the cache. `calls` has the oldest call first.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        accounts: Accounts,
        *,
        keep_keys: timedelta = timedelta(hours=1),
        clock: Clock | None = None,
    ) -> None:
        self.fetcher = fetcher
        self.accounts = accounts
        self.clock = clock or Clock()
        self.calls: list[Call] = []
        self._keys = IssuerKeys(fetcher, self.clock.now, keep_keys)
        self._sessions = Sessions()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.sts = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sts", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def answer(self, request: SignedRequest) -> tuple[int, bytes]:
        """Returns the status and the body for a request, and records the call."""
        parameters = dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
        parameters |= parse_qsl(request.body.decode("ascii", "replace"), keep_blank_values=True)
        action = parameters.get("Action", "")
        code, given = "", ""
        try:
            given, body = self._decide(action, parameters, request)
            status = 200
        except Refusal as refusal:
            status, code, body = refusal.status, refusal.code, refused(refusal)
        self.calls.append(Call(action, parameters, request.access_key, code, given))
        return status, body

    def _decide(self, action: str, parameters: Mapping[str, str], request: SignedRequest) -> tuple[str, bytes]:
        """Returns the access key that the answer gives, if any, and the answer. Raises Refusal."""
        version = parameters.get("Version", "")
        if version == _VERSION and action == "AssumeRoleWithWebIdentity":
            return self._assume(parameters)
        if version == _VERSION and action == "GetCallerIdentity":
            return "", caller(self._sessions.of(request, self.clock.now()))
        raise Refusal(400, "InvalidAction", f"Could not find operation {action} for version {version}")

    def _assume(self, parameters: Mapping[str, str]) -> tuple[str, bytes]:
        request = read_request(parameters)
        token = check(request, self.accounts, self._keys, self.clock.now())
        session = self._sessions.give(request, self.clock.now())
        provider = ProviderArn(request.partition, request.account, without_scheme(token.iss or ""))
        body = assumed(session, token.sub or "", token.aud[0], str(provider))
        return session.access_key, body


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    sts: Sts


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MAX_BODY:
            self.send_error(413)
            return
        self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        assert isinstance(self.server, _Server)
        headers = {name.lower(): value for name, value in self.headers.items()}
        url = f"http://{headers.get('host', '')}{self.path}"
        status, answer = self.server.sts.answer(SignedRequest(self.command, url, headers, body))
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Logs nothing: `calls` has it all."""
