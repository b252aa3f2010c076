"""A local HTTPS server of files with a name and a CA of the test: the bucket of an issuer."""

import http.server
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from certs.files import write_pair
from certs.issue import Names, Pair, issue_ca, issue_leaf

Answers = dict[str, Iterable[bytes]]


class StaticHost:
    """Serves the folder `files`, as it is at that moment, as `https://NAME/`, from construction to `close`.

    It listens on `address` of this machine; clients need the test's help to find it by its name, and trust `ca`.
    `answers` has the whole HTTP answer for a path, in parts, instead of a file. `stop` makes the host unreachable.
    """

    def __init__(self, directory: Path, name: str, ca: Pair | None = None) -> None:
        self.name = name
        self.files = directory / "files"
        self.files.mkdir(parents=True)
        self.answers: Answers = {}
        now = datetime.now(UTC)
        ca = ca or issue_ca(now, common_name="CA of the issuer's host")
        self.ca = ca.certificate
        pair = write_pair(directory / "certificates", ca.certificate, issue_leaf(ca, Names((name,)), now))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.private_key)
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, host=self))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.address = ("127.0.0.1", self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="bucket", daemon=True)
        self._thread.start()
        self._is_stopped = False

    def stop(self) -> None:
        """Closes the port: from now on, connections are refused."""
        if not self._is_stopped:
            self._is_stopped = True
            self._server.shutdown()
            self._thread.join(10)
            self._server.server_close()

    close = stop


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores clients that refuse the certificate: their own errors say so."""


class _Handler(http.server.SimpleHTTPRequestHandler):
    timeout = 10

    def __init__(self, *arguments: Any, host: StaticHost) -> None:
        self._host = host
        super().__init__(*arguments, directory=str(host.files))

    def do_GET(self) -> None:
        if self.path not in self._host.answers:
            super().do_GET()
            return
        self.close_connection = True
        # A client that has seen enough closes the connection.
        with suppress(OSError):
            for part in self._host.answers[self.path]:
                self.wfile.write(part)

    def guess_type(self, *_: object) -> str:
        return "application/json"

    def log_message(self, *_: object) -> None:
        """Logs nothing."""
