"""`issuer thumbprint`, on real HTTPS servers."""

import contextlib
import http.server
import json
import os
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from certs.issue import Names, Pair, issue_ca, issue_leaf
from tests.commands.outcome import Outcome, run
from webhook.issuer.thumbprint import WHEN_NEEDED, top_certificate

NOW = datetime.now(UTC)
CA = issue_ca(NOW, common_name="a CA of our own")
LEAF = issue_leaf(CA, Names(dns=("localhost",)), NOW)
STRANGER = issue_leaf(issue_ca(NOW, common_name="another CA"), Names(dns=("localhost",)), NOW)
DISCOVERY = "/.well-known/openid-configuration"


def thumbprint_of(pair: Pair) -> str:
    return top_certificate([ssl.PEM_cert_to_DER_cert(pair.certificate.decode())]).thumbprint


@contextlib.contextmanager
def https(folder: Path, documents: dict[str, bytes], leaf: Pair = LEAF, above: bytes = CA.certificate) -> Iterator[int]:
    """Serves documents with the leaf and what is above it, and yields the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = documents.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("content-length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_args: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_args: object) -> None:
            # A client may refuse the certificate, or ask for it alone.
            pass

    folder.mkdir(exist_ok=True)
    (folder / "chain.crt").write_bytes(leaf.certificate + above)
    (folder / "leaf.key").write_bytes(leaf.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.crt", folder / "leaf.key")
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def issuer(folder: Path, jwks_uri: str = "", **serving: Any) -> Iterator[str]:
    """Serves an issuer's discovery document and yields its URL; by default, the keys are at the same host."""
    documents: dict[str, bytes] = {}
    with https(folder, documents, **serving) as port:
        url = f"https://localhost:{port}"
        documents[DISCOVERY] = json.dumps({"issuer": url, "jwks_uri": jwks_uri or f"{url}/keys"}).encode()
        yield url


def thumbprint(url: str, folder: Path, *argv: str, **environ: str) -> Outcome:
    (folder / "ca.crt").write_bytes(CA.certificate)
    found = {"PATH": os.environ["PATH"], **environ}
    return run("issuer", "thumbprint", url, f"--ca-file={folder / 'ca.crt'}", *argv, environ=found)


def test_it_is_that_of_the_top_certificate_which_is_sent(tmp_path: Path) -> None:
    with issuer(tmp_path) as url:
        done = thumbprint(url, tmp_path)

    top, port = thumbprint_of(CA), url.rpartition(":")[2]
    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert lines[0] == top
    assert lines[1].startswith(f"localhost:{port}: CN=a CA of our own (the last of 2 that it sends), ends ")
    assert lines[2:] == [
        WHEN_NEEDED,
        (
            f"If AWS needs it: aws iam update-open-id-connect-provider-thumbprint --thumbprint-list {top} "
            "--open-id-connect-provider-arn ARN"
        ),
    ]


def test_json_is_for_scripts(tmp_path: Path) -> None:
    with issuer(tmp_path, above=b"") as url:
        done = thumbprint(url, tmp_path, "--output=json")

    document = json.loads(done.out)
    assert document.pop("ends").endswith("Z")
    assert document == {
        "thumbprint": thumbprint_of(LEAF),
        "host": "localhost",
        "port": int(url.rpartition(":")[2]),
        "subject": document["subject"],
        "certificatesSent": 1,
        "whenNeeded": WHEN_NEEDED,
    }


def test_it_is_that_of_the_host_of_the_keys_not_of_the_issuer(tmp_path: Path) -> None:
    with (
        https(tmp_path / "keys", {}, above=b"") as port,
        issuer(tmp_path / "issuer", jwks_uri=f"https://localhost:{port}/keys") as url,
    ):
        done = thumbprint(url, tmp_path)

    assert done.out.splitlines()[0] == thumbprint_of(LEAF)
    assert f"localhost:{port}: " in done.out


def test_a_server_can_be_asked_before_its_dns_record_exists(tmp_path: Path) -> None:
    documents = {DISCOVERY: json.dumps({"jwks_uri": "https://oidc.example.test/keys"}).encode()}
    leaf = issue_leaf(CA, Names(dns=("oidc.example.test",)), NOW)
    with https(tmp_path, documents, leaf=leaf) as port:
        done = thumbprint("https://oidc.example.test", tmp_path, f"--connect-to=127.0.0.1:{port}")

    lines = done.out.splitlines()
    assert (done.code, done.err, lines[0]) == (0, "", thumbprint_of(CA))
    assert lines[1].startswith("oidc.example.test:443: CN=a CA of our own (the last of 2 that it sends), ends ")


def test_a_server_of_an_unknown_ca_is_refused(tmp_path: Path) -> None:
    with issuer(tmp_path, leaf=STRANGER, above=b"") as url:
        of_issuer = thumbprint(url, tmp_path)
    with (
        https(tmp_path / "keys", {}, leaf=STRANGER, above=b"") as port,
        issuer(tmp_path / "issuer", jwks_uri=f"https://localhost:{port}/keys") as url,
    ):
        of_keys = thumbprint(url, tmp_path)

    assert (of_issuer.code, of_keys.code, of_issuer.out, of_keys.out) == (1, 1, "", "")
    assert of_keys.err == (
        f"pod-identity-webhook issuer thumbprint: localhost:{port}: its certificate is not verified: unable to get "
        "local issuer certificate\n"
    )
    assert of_issuer.err.startswith("pod-identity-webhook issuer thumbprint: https://localhost:")
    assert len(of_issuer.err.splitlines()) == 1


BODIES = {
    "0 bytes": (b"", "it is empty (0 bytes)"),
    "HTML": (b"<html>", "it is an HTML page, not JSON"),
    "no jwks_uri": (b"{}", "its jwks_uri is not an https URL"),
    "a jwks_uri with http": (b'{"jwks_uri": "http://a"}', "its jwks_uri is not an https URL"),
    "a jwks_uri that is no text": (b'{"jwks_uri": 7}', "its jwks_uri is not an https URL"),
    "50 MB": (b" " * 50_000_000, "it has 50,000,000 bytes"),
}


@pytest.mark.parametrize(("body", "problem"), BODIES.values(), ids=BODIES)
def test_an_answer_that_is_no_discovery_document_is_named(tmp_path: Path, body: bytes, problem: str) -> None:
    with https(tmp_path, {DISCOVERY: body}) as port:
        done = thumbprint(f"https://localhost:{port}", tmp_path)

    url = f"https://localhost:{port}{DISCOVERY}"
    assert (done.code, done.out, done.err) == (1, "", f"pod-identity-webhook issuer thumbprint: {url}: {problem}\n")


def test_a_missing_document_and_a_closed_port_are_named(tmp_path: Path) -> None:
    with https(tmp_path, {}) as port:
        missing = thumbprint(f"https://localhost:{port}", tmp_path)
    closed = thumbprint(f"https://localhost:{port}", tmp_path)

    assert (missing.code, closed.code) == (1, 1)
    assert missing.err.endswith(f":{port}{DISCOVERY}: HTTP 404\n")
    assert len(closed.err.splitlines()) == 1


USAGE = {
    "no URL": ([], "set exactly one URL: that of the issuer"),
    "two URLs": (["https://a", "https://b"], "set exactly one URL: that of the issuer"),
    "an address without port": (
        ["https://a.example.com", "--connect-to=host"],
        "--connect-to: 'host' is not of the form HOST:PORT",
    ),
    "http": (["http://a.example.com"], "'http://a.example.com' is not an https URL"),
}


@pytest.mark.parametrize(("argv", "problem"), USAGE.values(), ids=USAGE)
def test_wrong_usage_is_named(argv: list[str], problem: str) -> None:
    done = run("issuer", "thumbprint", *argv)

    assert (done.code, done.out) == (2, "")
    assert (
        done.err
        == f"pod-identity-webhook issuer thumbprint: {problem}\nSee 'pod-identity-webhook issuer thumbprint --help'.\n"
    )


def test_a_file_without_ca_certificates_is_named(folder: Path) -> None:
    done = run("issuer", "thumbprint", "https://a.example.com", "--ca-file=empty")

    assert folder.joinpath("empty").read_bytes() == b""
    assert (done.code, done.out) == (2, "")
    assert done.err == "pod-identity-webhook issuer thumbprint: --ca-file: empty: it has no CA certificate in PEM\n"


def test_on_older_pythons_openssl_is_needed_and_named(tmp_path: Path) -> None:
    with issuer(tmp_path) as url:
        done = thumbprint(url, tmp_path, PATH=str(tmp_path))

    if hasattr(ssl.SSLSocket, "get_unverified_chain"):
        assert done.code == 0
    else:
        problem = (
            "the chain of a server can be read with Python 3.13 or newer, or with openssl, and there is neither: "
            "install openssl, or run the webhook's image"
        )
        assert (done.code, done.out, done.err) == (1, "", f"pod-identity-webhook issuer thumbprint: {problem}\n")
