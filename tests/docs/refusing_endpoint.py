"""A local endpoint for the AWS CLI that refuses every request: one that arrives had parameters that the CLI accepts."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def refusing() -> Iterator[tuple[str, list[str]]]:
    """Yields the endpoint's URL, and the list of the services whose signed or unsigned requests have arrived."""
    arrived: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _refuse(self) -> None:
            # KEY/DATE/REGION/SERVICE/aws4_request
            scope = self.headers.get("Authorization", "").partition("Credential=")[2].partition(",")[0].split("/")
            arrived.append(scope[3] if len(scope) == 5 else "unsigned")
            self.send_response(400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_PUT = do_POST = _refuse

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", arrived
        finally:
            server.shutdown()
            thread.join()
