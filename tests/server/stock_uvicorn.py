"""Both FastAPI applications under stock uvicorn: a program that takes the flags of `serve` that it needs.

It proves that the applications are complete without our listener. What bounds clients is the listener's alone.
"""

import contextlib
import logging
import socket
import sys
import threading
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI

from certs.files import ephemeral
from webhook.admission.settings import Settings
from webhook.commands.flags.by_command import SERVE_FLAGS
from webhook.commands.flags.parsing import parse
from webhook.commands.flags.to_settings import settings_from
from webhook.manifests.accounts import ManifestAccounts
from webhook.server.app import metrics_application, webhook_application
from webhook.server.logs import configure_logs
from webhook.server.metrics.requests import Metrics
from webhook.server.mutate_endpoint import PATH, REQUIRE_PATH, MutateEndpoint
from webhook.server.settings import ServerSettings


def listening() -> socket.socket:
    """A socket on a free port."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


def server_of(app: FastAPI, **tls: str) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(app, log_config=None, **tls))  # type: ignore[arg-type]


def main(argv: list[str]) -> None:
    parsed = parse(SERVE_FLAGS, argv, {})
    configure_logs(0, "text")
    # Which requests come is of no interest here.
    logging.getLogger("uvicorn.access").disabled = True
    settings, admission = settings_from(parsed, ServerSettings), settings_from(parsed, Settings)
    assert settings.ephemeral_certificate is not None
    assert settings.service_accounts is not None
    files = ephemeral(settings.ephemeral_certificate, (), datetime.now(UTC))
    store, metrics = ManifestAccounts(settings.service_accounts, admission), Metrics()
    endpoints = [MutateEndpoint(store, frozenset, admission, metrics, path) for path in (PATH, REQUIRE_PATH)]
    https = server_of(
        webhook_application(endpoints), ssl_certfile=str(files.certificate), ssl_keyfile=str(files.private_key)
    )
    monitoring = server_of(metrics_application(metrics, str))
    https_socket, metrics_socket = listening(), listening()
    thread = threading.Thread(target=monitoring.run, args=([metrics_socket],))
    thread.start()
    ports = https_socket.getsockname()[1], metrics_socket.getsockname()[1]
    # Clients that connect before uvicorn has started wait in the backlog.
    https_socket.listen()
    metrics_socket.listen()
    logging.getLogger("webhook").info("stock uvicorn serves: https port %d, metrics port %d", *ports)
    with contextlib.suppress(KeyboardInterrupt):
        https.run([https_socket])
    monitoring.should_exit = True
    thread.join()


if __name__ == "__main__":
    main(sys.argv[1:])
