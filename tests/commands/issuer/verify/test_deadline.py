"""The deadline is for a whole fetch: a server that says something now and then does not prolong it."""

import socket
import threading
from pathlib import Path

import pytest

from tests.commands.issuer.verify.conftest import JWKS_PATH
from tests.commands.issuer.verify.issuer_server import HOST, Answer, Answering, Request, Served
from webhook.commands.issuer.fetch import Fetcher
from webhook.commands.issuer.trust import trust_of
from webhook.issuer.fetched import Problem

# Long enough for a handshake on a busy machine: what is slow here never ends.
SECONDS = 2
URL = f"https://{HOST}{JWKS_PATH}"


def silent(request: Request) -> None:
    request.stopping.wait()


def drips_headers(request: Request) -> None:
    request.send_response(200)
    while not request.stopping.wait(0.01):
        request.send_header("x", "y")
        request.flush_headers()


def drips_a_body(request: Request) -> None:
    request.send(Answer(200, b"{", {"content-length": "1000000"}))
    while not request.stopping.wait(0.01):
        request.write(b" ")


def says_to_continue(request: Request) -> None:
    while not request.stopping.wait(0.01):
        request.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("answer", [silent, drips_headers, drips_a_body, says_to_continue])
async def test_a_slow_answer(answer: Answering, server: Served) -> None:
    server.answers[JWKS_PATH] = answer

    fetched = await fetcher(server.ca_file, server.port).fetch(URL)

    assert fetched.problem == Problem(
        "answer", "the whole answer did not come within 2 s", "Use a faster host; a static one will do."
    )
    assert fetched.body == b""


async def test_a_port_that_never_speaks_tls(server: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        fetched = await fetcher(server.ca_file, mute.getsockname()[1]).fetch(URL)

    assert fetched.problem == Problem("tls", "no TLS handshake within 2 s", "Check that the port speaks TLS.")


async def test_a_port_that_closes_at_once(server: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        thread = threading.Thread(target=accept_and_close, args=(closing,))
        thread.start()
        fetched = await Fetcher(trust_of(str(server.ca_file)), 30, {(HOST, 443): closing.getsockname()}).fetch(URL)
        thread.join()

    assert fetched.problem is not None
    assert fetched.problem.stage == "tls"
    assert fetched.problem.reason.startswith("the TLS handshake failed: ")


async def test_an_answer_in_time(server: Served) -> None:
    fetched = await Fetcher(trust_of(str(server.ca_file)), 30, {(HOST, 443): ("127.0.0.1", server.port)}).fetch(URL)

    assert (fetched.status, fetched.content_type, fetched.problem) == (200, "application/json", None)
    assert 0 < fetched.seconds < 30


def accept_and_close(listener: socket.socket) -> None:
    listener.accept()[0].close()


def fetcher(ca_file: Path, port: int) -> Fetcher:
    return Fetcher(trust_of(str(ca_file)), SECONDS, {(HOST, 443): ("127.0.0.1", port)})
