"""A real HTTPS server with a certificate of a CA of the tests, which answers each path as a test says."""

import contextlib
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

from certs.issue import Names, Pair, issue_ca, issue_leaf

HOST: Final = "issuer.example"


class Request(http.server.BaseHTTPRequestHandler):
    """One request; an answer may write to it what it likes."""

    server: "_Server"

    def do_GET(self) -> None:
        self.server.served.requests.append((self.path, dict(self.headers.items())))
        answer = self.server.served.answers.get(self.path, Answer(404))
        # A client that has read enough goes away.
        with contextlib.suppress(OSError):
            if isinstance(answer, Answer):
                self.send(answer)
            else:
                answer(self)
        self.close_connection = True

    def send(self, answer: "Answer") -> None:
        self.send_response(answer.status)
        headers = {"content-type": "application/json", "content-length": str(len(answer.body)), **answer.headers}
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.write(answer.body)

    def write(self, part: bytes) -> None:
        """Sends a part of the body."""
        self.wfile.write(part)
        self.server.served.sent += len(part)

    @property
    def stopping(self) -> threading.Event:
        """Set at the end of the test."""
        return self.server.served.stopping

    def log_message(self, *_args: object) -> None:
        pass


@dataclass(frozen=True)
class Answer:
    """An answer; an empty header is left out."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Answering: TypeAlias = Answer | Callable[[Request], None]


@dataclass
class Served:
    """The server: what it answers by path, and what it was asked; `sent` is how many bytes of bodies it wrote."""

    port: int
    ca_file: Path
    answers: dict[str, Answering] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    sent: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def flags(self) -> tuple[str, ...]:
        return (f"--ca-file={self.ca_file}", f"--connect-to=127.0.0.1:{self.port}")


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    served: Served

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The handshake is done on the thread of the request.
        if self._context is not None:
            request = self._context.wrap_socket(request, server_side=True)
        try:
            super().finish_request(request, client_address)
        finally:
            request.close()

    def handle_error(self, *_args: object) -> None:
        # The client may refuse the certificate.
        pass


@contextlib.contextmanager
def serving(
    directory: Path, *, name: str = HOST, age: timedelta = timedelta(), plain: bool = False, ca: Pair | None = None
) -> Iterator[Served]:
    """Serves with a leaf for `name`, issued `age` ago; `ca` is another CA than the client trusts, `plain` no TLS."""
    now = datetime.now(UTC)
    trusted = issue_ca(now - age, common_name="CA of the test")
    ca_file = directory / "ca.crt"
    ca_file.write_bytes(trusted.certificate)
    context = None if plain else _context(directory, issue_leaf(ca or trusted, Names.parse([name]), now - age))
    with _Server(context) as server:
        served = server.served = Served(server.server_port, ca_file)
        if context is not None:
            context.sni_callback = lambda _socket, asked, _context: served.names.append(asked)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield served
        finally:
            served.stopping.set()
            server.shutdown()
            thread.join()


def _context(directory: Path, leaf: Pair) -> ssl.SSLContext:
    pem = directory / "server.pem"
    pem.write_bytes(leaf.certificate + leaf.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
