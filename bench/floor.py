"""The floor to compare with: the same listener and TLS, with an application that reads the body and allows the pod.

Usage: floor.py CERTIFICATE KEY. Prints its port.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from webhook.server.certificates.contexts import ServingContext
from webhook.server.certificates.files import CertificateFiles
from webhook.server.certificates.tls_settings import TlsSettings
from webhook.server.http.listener import Listener

ANSWER = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"0","allowed":true}}'
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))],
}
BODY = {"type": "http.response.body", "body": ANSWER}


async def application(_scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Reads the body; answers that the pod is allowed."""
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send(BODY)


async def main(certificate: Path, key: Path) -> None:
    """Serves until somebody kills the process."""
    files = CertificateFiles(certificate, key, ServingContext(TlsSettings()))
    listener = Listener(application, address="127.0.0.1", port=0, tls=files.serving.outer)  # type: ignore[arg-type]
    print(await listener.start(), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
