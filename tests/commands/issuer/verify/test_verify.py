"""`issuer verify` against real HTTPS servers: what it prints, and what it says of servers that do wrong."""

import gzip
import json
import re
import socket
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from certs.issue import issue_ca
from tests.commands.issuer.verify.conftest import DISCOVERY_PATH, JWKS_PATH, publish
from tests.commands.issuer.verify.issuer_server import HOST, Answer, Answering, Request, Served, serving
from tests.commands.outcome import Outcome, assert_golden, run, run_process
from tests.issuer.keys import NOW
from tests.issuer.published import DISCOVERY, ISSUER

MIB = 1024 * 1024


def failures(outcome: Outcome) -> dict[str, str]:
    """Returns what was found by the names of the failed checks, from the output in JSON."""
    assert outcome.err == ""
    document = json.loads(outcome.out)
    failed = {check["name"]: check["found"] for check in document["checks"] if check["outcome"] == "failed"}
    assert list(failed) == document["failed"]
    assert outcome.code == (1 if failed else 0)
    assert all("\n" not in found for found in failed.values())
    return failed


def verify(served: Served, *flags: str, issuer: str = ISSUER) -> dict[str, str]:
    return failures(run("issuer", "verify", issuer, "--output=json", *served.flags, *flags))


def normalised(text: str) -> str:
    """Returns the output without what differs at each run."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    text = re.sub(r"in \d\.\d\d s", "in SECONDS s", text)
    text = re.sub(r"[\w-]{43}", "KID", text)
    return re.sub(r"[\d,]+ (bytes|characters, of)", r"COUNT \1", text)


def test_a_right_issuer_and_its_token(server: Served, token_file: Path) -> None:
    outcome = run("issuer", "verify", ISSUER, f"--token={token_file}", *server.flags)

    assert (outcome.code, outcome.err) == (0, "")
    assert_golden("issuer-verify.txt", normalised(outcome.out))


def test_an_issuer_with_faults(server: Served, token_file: Path) -> None:
    server.answers[DISCOVERY_PATH] = Answer(200, json.dumps({**DISCOVERY, "issuer": f"{ISSUER}/"}).encode())
    server.answers[JWKS_PATH] = Answer(200, b'{"keys": []}')

    outcome = run("issuer", "verify", ISSUER, f"--token={token_file}", *server.flags)

    assert (outcome.code, outcome.err) == (1, "")
    assert_golden("issuer-verify-faults.txt", normalised(outcome.out))


def test_json_has_each_check(server: Served, token_file: Path) -> None:
    outcome = run("issuer", "verify", ISSUER, f"--token={token_file}", "-o", "json", *server.flags)

    document = json.loads(outcome.out)
    assert outcome.code == 0
    assert (document["issuer"], document["audiences"], document["failed"]) == (ISSUER, ["sts.amazonaws.com"], [])
    assert {check["outcome"] for check in document["checks"]} == {"ok"}
    assert document["checks"][0] == {
        "section": "Issuer",
        "name": "https",
        "requirement": "The URL begins with https://",
        "outcome": "ok",
        "found": ISSUER,
        "fix": None,
    }


def test_it_asks_for_the_issuers_host_without_credentials(server: Served) -> None:
    assert verify(server) == {}

    assert server.names == [HOST, HOST]
    assert [path for path, _ in server.requests] == [DISCOVERY_PATH, JWKS_PATH]
    for _, headers in server.requests:
        assert {name.lower() for name in headers} == {"host", "accept", "accept-encoding", "user-agent", "connection"}
        assert headers["Host"] == HOST


def test_a_token_on_standard_input(server: Served, token_file: Path) -> None:
    outcome = run("issuer", "verify", ISSUER, "--token=-", "-o=json", *server.flags, stdin=token_file.read_text())

    assert failures(outcome) == {}
    assert json.loads(outcome.out)["checks"][-1]["name"] == "exp"


def test_marks_do_not_depend_on_colours(server: Served) -> None:
    plain = run("issuer", "verify", ISSUER, *server.flags)
    coloured = run("issuer", "verify", ISSUER, "--color=always", *server.flags)

    assert "  ✓  The URL begins with https://" in plain.out
    assert "\x1b[32m  ✓\x1b[0m" in coloured.out
    assert normalised(re.sub(r"\x1b\[[\d;]*m", "", coloured.out)) == normalised(plain.out)


def test_a_stream_that_cannot_show_the_marks_shows_words(server: Served) -> None:
    outcome = run_process("issuer", "verify", ISSUER, *server.flags, environ={"PYTHONIOENCODING": "ascii"})

    assert (outcome.code, outcome.err) == (0, "")
    assert "  ok  The URL begins with https://" in outcome.out


def endless(request: Request) -> None:
    request.send(Answer(200, b"", {"content-length": ""}))
    while not request.stopping.is_set():
        request.write(b" " * 65536)


def fifty_megabytes(request: Request) -> None:
    request.send(Answer(200, b"", {"content-length": ""}))
    for _ in range(800):
        request.write(b" " * 65536)


def endless_headers(request: Request) -> None:
    request.send_response(200)
    while not request.stopping.is_set():
        request.wfile.write(b"x-header: " + b"a" * 65536 + b"\r\n")


def no_http(request: Request) -> None:
    request.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n" * 10)


def half_an_answer(request: Request) -> None:
    request.send(Answer(200, b"{", {"content-length": "1000"}))


def nothing(_request: Request) -> None:
    """Closes the connection without an answer."""


def redirect(to: str) -> Answer:
    return Answer(302, b"", {"location": to})


_DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
_DENIED_SAID = "it is XML that says AccessDenied: the bucket or the object is private, or the object does not exist"
_EARLY = "the server closed the connection early, or its answer is not HTTP"
BAD_ANSWERS: dict[str, tuple[Answering, str, str]] = {
    "0 bytes": (Answer(), "json", "URL: it is empty (0 bytes)"),
    "HTML": (Answer(body=b"<!DOCTYPE html><html><body>Welcome"), "json", "URL: it is an HTML page, not JSON"),
    "a private bucket": (
        Answer(403, _DENIED, {"content-type": "application/xml"}),
        "access",
        f"URL: HTTP 403; {_DENIED_SAID}",
    ),
    "a wrong path": (Answer(404), "access", "URL: HTTP 404"),
    "an error of the server": (Answer(503, b"{}"), "access", "URL: HTTP 503"),
    "nesting": (
        Answer(body=b'{"keys":' + b"[" * 100_000),
        "json",
        "URL: it is nested too deeply: more than 20 levels",
    ),
    "a type of binary data": (
        Answer(body=b"{}", headers={"content-type": "binary/octet-stream"}),
        "type",
        "it is 'binary/octet-stream'",
    ),
    "50 MB, announced": (
        Answer(headers={"content-length": "50000000"}),
        "size",
        "it has 50,000,000 bytes",
    ),
    "50 MB": (fifty_megabytes, "size", "it has more than 1,048,576 bytes"),
    "endless": (endless, "size", "it has more than 1,048,576 bytes"),
    "endless headers": (endless_headers, "answer", _EARLY),
    "a compressed bomb": (
        Answer(body=gzip.compress(b" " * 50 * MIB), headers={"content-encoding": "gzip"}),
        "size",
        "it is compressed ('gzip'), although we did not ask for that",
    ),
    "a redirect elsewhere": (
        redirect("https://elsewhere.example/document"),
        "redirect",
        "it redirects to 'https://elsewhere.example/document'",
    ),
    "a redirect to plain HTTP": (
        redirect(f"http://{HOST}/document"),
        "redirect",
        f"it redirects to 'http://{HOST}/document'",
    ),
    "a redirect to another port": (
        redirect(f"https://{HOST}:8443/document"),
        "redirect",
        f"it redirects to 'https://{HOST}:8443/document'",
    ),
    "a redirect loop": (redirect("?"), "redirect", "it redirects in a loop, to 'URL'"),
    "no HTTP": (no_http, "answer", _EARLY),
    "half an answer": (half_an_answer, "answer", _EARLY),
    "no answer": (nothing, "answer", _EARLY),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
@pytest.mark.parametrize(("prefix", "path"), [("discovery", DISCOVERY_PATH), ("jwks", JWKS_PATH)])
def test_a_bad_answer_is_one_clear_line(case: str, prefix: str, path: str, server: Served) -> None:
    answer, check, found = BAD_ANSWERS[case]
    server.answers[path] = answer

    assert verify(server).items() >= {(f"{prefix}-{check}", found.replace("URL", f"https://{HOST}{path}"))}


@pytest.mark.parametrize("answer", [endless, fifty_megabytes])
def test_a_large_body_costs_little_memory_and_is_not_read_to_its_end(answer: Answering, server: Served) -> None:
    server.answers[JWKS_PATH] = answer
    tracemalloc.start()
    try:
        verify(server)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 8 * MIB
    # What the sockets of both sides hold is added to what was read.
    assert server.sent < 20 * MIB


def test_many_redirects_are_not_followed(server: Served) -> None:
    server.answers[JWKS_PATH] = redirect("/1")
    server.answers |= {f"/{number}": redirect(f"/{number + 1}") for number in range(1, 9)}

    assert verify(server) == {"jwks-redirect": f"it redirects more than 3 times, to 'https://{HOST}/4'"}
    assert server.requests[-1][0] == "/3"


def test_a_redirect_on_the_same_host_is_followed_and_shown(server: Served) -> None:
    server.answers["/keys.json"] = server.answers[JWKS_PATH]
    server.answers[JWKS_PATH] = redirect("/keys.json")

    outcome = run("issuer", "verify", ISSUER, "--output=json", *server.flags)

    assert failures(outcome) == {}
    found = {check["name"]: check["found"] for check in json.loads(outcome.out)["checks"]}
    assert found["jwks-redirect"] == f"only on the same host, to 'https://{HOST}/keys.json'"


SERVERS: dict[str, tuple[dict[str, Any], str]] = {
    "of another name": (
        {"name": "other.example"},
        "the certificate is not valid for issuer.example: it is for 'other.example'",
    ),
    "of an address": ({"name": "127.0.0.1"}, "the certificate is not valid for issuer.example: it is for '127.0.0.1'"),
    "of an unknown CA": (
        {"ca": issue_ca(NOW, common_name="another CA")},
        "no trusted CA signed the certificate, or the server does not send the intermediate certificate",
    ),
    "expired": ({"age": timedelta(days=400)}, "the certificate has expired"),
}


@pytest.mark.parametrize("case", SERVERS)
def test_a_certificate_that_is_not_valid(case: str, tmp_path: Path) -> None:
    settings, found = SERVERS[case]
    with serving(tmp_path, **settings) as served:
        publish(served)

        assert verify(served) == {"discovery-tls": found}
        assert served.requests == []


def test_plain_http_at_the_port(tmp_path: Path) -> None:
    with serving(tmp_path, plain=True) as served:
        assert verify(served) == {
            "discovery-tls": f"127.0.0.1:{served.port} answers, but not with TLS: plain HTTP?",
        }


def test_a_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    outcome = run("issuer", "verify", ISSUER, "-o=json", f"--connect-to=127.0.0.1:{port}")

    assert failures(outcome) == {"discovery-connection": f"127.0.0.1:{port} refuses the connection"}


def test_a_name_that_does_not_resolve() -> None:
    outcome = run("issuer", "verify", ISSUER, "-o=json", "--connect-to=nowhere.invalid:443")

    assert failures(outcome) == {"discovery-connection": "the name nowhere.invalid does not resolve"}


def test_keys_at_a_host_that_cannot_be_reached(server: Served) -> None:
    discovery = {**DISCOVERY, "jwks_uri": "https://keys.invalid/jwks"}
    server.answers[DISCOVERY_PATH] = Answer(200, json.dumps(discovery).encode())

    assert verify(server) == {"jwks-connection": "the name keys.invalid does not resolve"}


def test_a_url_that_cannot_be_fetched_is_checked_all_the_same(server: Served) -> None:
    assert verify(server, issuer="http://my.bucket.s3.eu-west-1.amazonaws.com").keys() == {"https", "bucket"}
    assert server.requests == []


USAGE: dict[str, tuple[Callable[[Path], tuple[str, ...]], str]] = {
    "no URL": (lambda _: (), "give one URL: issuer verify https://HOST/PATH"),
    "two URLs": (lambda _: ("a", "b"), "give one URL: issuer verify https://HOST/PATH"),
    "both tokens": (lambda _: (ISSUER, "--token=x", "--live"), "--token and --live: give only one of them"),
    "an address without a port": (
        lambda _: (ISSUER, "--connect-to=host"),
        "--connect-to: 'host' is not of the form HOST:PORT",
    ),
    "a port that is too large": (
        lambda _: (ISSUER, "--connect-to=host:99999"),
        "--connect-to: 'host:99999' is not of the form HOST:PORT",
    ),
    "an account without its namespace": (
        lambda _: (ISSUER, "--service-account=web"),
        "--service-account: 'web' is not of the form NAMESPACE/NAME",
    ),
    "no audience": (lambda _: (ISSUER, "--audience="), "--audience: must not be empty"),
    "a token file that is missing": (
        lambda folder: (ISSUER, f"--token={folder}/x"),
        "{folder}/x: No such file or directory",
    ),
    "a token file that is a folder": (lambda folder: (ISSUER, f"--token={folder}"), "{folder}: Is a directory"),
    "a CA file that is missing": (
        lambda folder: (ISSUER, f"--ca-file={folder}/x"),
        "--ca-file: {folder}/x: No such file or directory",
    ),
    "a CA file without a certificate": (
        lambda folder: (ISSUER, f"--ca-file={folder}/empty"),
        "--ca-file: {folder}/empty: it has no CA certificate in PEM",
    ),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage(case: str, tmp_path: Path) -> None:
    arguments, line = USAGE[case]
    (tmp_path / "empty").write_text("nothing\n")

    outcome = run("issuer", "verify", *arguments(tmp_path))

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[0] == f"pod-identity-webhook issuer verify: {line.format(folder=tmp_path)}"
