"""Webhooks for tests: the real one as a process, and a fake one with any answer."""

import contextlib
import http.server
import re
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.commands.outcome import COMMAND, ROOT, without_settings

STARTED = re.compile(r"serves: https port (\d+), metrics port (\d+)\n")


@contextlib.contextmanager
def serving(
    argv: Sequence[str], cwd: Path = ROOT, environ: Mapping[str, str] | None = None
) -> Iterator[tuple[int, int]]:
    """Runs the real `serve` and yields its HTTPS and metrics ports once it is ready; it must exit with 0."""
    environ = without_settings() | {"PYTHONPATH": str(ROOT)} | dict(environ or {})
    with subprocess.Popen(
        [*COMMAND, "serve", *argv], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=cwd, env=environ
    ) as process:
        assert process.stderr is not None
        # A webhook that hangs at start must not block the tests.
        deadline = threading.Timer(60, process.kill)
        deadline.start()
        log = ""
        try:
            for line in process.stderr:
                log += line
                if found := STARTED.search(log):
                    break
            else:
                raise AssertionError(f"the webhook did not start:\n{log}")
            yield int(found[1]), int(found[2])
        finally:
            process.send_signal(signal.SIGINT)
            log += process.stderr.read()
            code = process.wait()
            deadline.cancel()
    assert code == 0, log


@dataclass
class Fake:
    """The answer of the fake webhook, and its last request."""

    port: int = 0
    status: int = 200
    answer: bytes = b""
    asked: bytes = b""
    content_type: str = ""
    path: str = ""
    server_name: str | None = None


@contextlib.contextmanager
def fake_webhook(certificate: Path, private_key: Path, address: str = "127.0.0.1") -> Iterator[Fake]:
    """Runs a fake webhook with TLS on a free port."""
    fake = Fake()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            fake.asked = self.rfile.read(int(self.headers["content-length"]))
            fake.content_type, fake.path = self.headers["content-type"], self.path
            self.send_response(fake.status)
            self.send_header("content-length", str(len(fake.answer)))
            self.end_headers()
            self.wfile.write(fake.answer)

        def log_message(self, *_args: object) -> None:
            pass

    class Server(http.server.HTTPServer):
        def handle_error(self, *_args: object) -> None:
            # The client may refuse the certificate.
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private_key)
    context.sni_callback = lambda _socket, name, _context: setattr(fake, "server_name", name)
    with Server((address, 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        fake.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
