"""`issuer render`."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.commands.issuer.key_files import EC, RSA, SIGNER
from tests.commands.outcome import run
from tests.commands.replay.live import api_server, kubeconfig
from webhook.issuer.jwks import jwks_document

ISSUER = "https://issuer.example.com/prod"
DISCOVERY = ".well-known/openid-configuration"
JWKS = "openid/v1/jwks"


def render(*argv: str, **options: Any) -> Any:
    return run("issuer", "render", f"--issuer={ISSUER}", *argv, **options)


def test_both_documents_are_written_and_reported(folder: Path) -> None:
    done = render("--public-key=rsa.pub", "--public-key=ec.pub", "--jwks=signer.json", "--output-dir=out/new")

    lines = [
        f"  {RSA.kid}  RSA 2048, RS256",
        f"  {EC.kid}  P-256, ES256",
        "  of-the-signer  P-384, ES384, a kid that the signer chose",
    ]
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"out/new/{DISCOVERY}: issuer {ISSUER}, ES256, ES384, RS256",
        f"out/new/{JWKS}: 3 keys",
        *sorted(lines),
    ]
    assert json.loads((folder / "out/new" / DISCOVERY).read_bytes())["jwks_uri"] == f"{ISSUER}/{JWKS}"
    keys = json.loads((folder / "out/new" / JWKS).read_bytes())["keys"]
    assert {key["kid"]: key for key in keys} == {
        RSA.kid: RSA.members,
        EC.kid: EC.members,
        "of-the-signer": SIGNER,
    }
    assert {path.stat().st_mode & 0o777 for path in (folder / "out").rglob("*") if path.is_file()} == {0o644}


SAME = [
    ["--public-key=rsa.pub", "--public-key=ec.pub"],
    ["--public-key=ec.pub", "--public-key=rsa.pub"],
    ["--public-key=both.pub"],
    ["--jwks=old.json", "--jwks=new.json"],
    ["--public-key=both.pub", "--jwks=old.json"],
]


@pytest.mark.parametrize("argv", SAME, ids=" ".join)
@pytest.mark.usefixtures("folder")
def test_the_same_keys_give_the_same_bytes_however_they_come(argv: list[str]) -> None:
    assert render(*argv, "--output-dir=-").out == render(*SAME[0], "--output-dir=-").out


@pytest.mark.usefixtures("folder")
def test_a_dash_prints_the_two_documents_and_notes_go_elsewhere() -> None:
    done = run("issuer", "render", "--issuer=https://a.example.com:8443", "--public-key=rsa.pub", "--output-dir=-")

    start, jwks = done.out.split('{\n  "keys"')
    assert json.loads(start)["issuer"] == "https://a.example.com:8443"
    assert '{\n  "keys"' + jwks == jwks_document([RSA]).decode()
    assert done.err == (
        "note: the issuer: it has the port 8443. Serve the issuer at port 443, and leave the port out of the URL.\n"
    )


@pytest.mark.parametrize(("directory", "is_printed"), [("out", False), ("-", True)], ids=["files", "printed"])
@pytest.mark.usefixtures("folder")
def test_json_is_for_scripts(directory: str, is_printed: bool) -> None:
    done = render("--jwks=signer.json", f"--output-dir={directory}", "--output=json")

    document = json.loads(done.out)
    documents = document.pop("documents")
    assert document == {
        "issuer": ISSUER,
        "jwksUri": f"{ISSUER}/{JWKS}",
        "algorithms": ["ES384"],
        "keys": [{"kid": "of-the-signer", "type": "P-384", "algorithm": "ES384", "kidIsComputed": False}],
        "files": None if is_printed else [f"out/{JWKS}", f"out/{DISCOVERY}"],
        "notes": [],
    }
    assert (documents is not None) == is_printed
    assert documents is None or documents[JWKS] == {"keys": [SIGNER]}


def test_standard_input_and_a_pipe_are_read(folder: Path) -> None:
    content = (folder / "old.json").read_text()
    os.mkfifo(folder / "pipe")
    writer = threading.Thread(target=(folder / "pipe").write_text, args=(content,))
    writer.start()
    piped = render("--jwks=pipe", "--output-dir=-")
    writer.join()

    assert piped.code == 0
    assert piped == render("--jwks=-", "--output-dir=-", stdin=content) == render("--jwks=old.json", "--output-dir=-")


PUBLIC_OF = "openssl pkey -in FILE -pubout writes its public key"
BAD_INPUT = {
    "--public-key=nowhere": "nowhere: No such file or directory",
    "--public-key=.": ".: Is a directory",
    "--public-key=empty": "empty: it is empty (0 bytes)",
    "--public-key=private.key": f"private.key: it contains a private key, not a public one: {PUBLIC_OF}",
    "--public-key=small.pub": "small.pub: its RSA key has 1,024 bits: STS wants at least 2,048",
    "--public-key=old.json": "old.json: it is JSON, not PEM: a JWKS goes into --jwks",
    "--public-key=/dev/zero": "/dev/zero: it is larger than 1024 KiB",
    "--jwks=empty": "empty: it is empty (0 bytes)",
    "--jwks=/dev/zero": "/dev/zero: it is larger than 1024 KiB",
    "--jwks=large.json": "large.json: it is larger than 1024 KiB",
    "--jwks=deep.json": "deep.json: it is nested too deeply: more than 20 levels",
    "--jwks=page.html": "page.html: it is an HTML page, not JSON",
    "--jwks=none.json": "none.json: it has no key",
    "--jwks=secret.json": ("secret.json: keys[0]: it contains a private key or a secret (member d): never publish it"),
    "--jwks=unnamed.json": "unnamed.json: keys[0]: it has no kid, so STS cannot find it",
    "--jwks=-": "standard input: it is empty (0 bytes)",
}


@pytest.mark.parametrize(("flag", "problem"), BAD_INPUT.items(), ids=BAD_INPUT)
def test_bad_input_is_named_in_one_line_and_nothing_is_written(folder: Path, flag: str, problem: str) -> None:
    done = render("--public-key=ec.pub", flag, "--output-dir=out")

    assert (done.code, done.out, done.err) == (2, "", f"pod-identity-webhook issuer render: {problem}\n")
    assert not (folder / "out").exists()


@pytest.mark.usefixtures("folder")
def test_two_keys_with_one_kid_are_refused() -> None:
    done = render("--jwks=old.json", "--jwks=clash.json", "--output-dir=-")

    problem = f"old.json and clash.json have different keys with the kid '{RSA.kid}'"
    assert (done.code, done.out, done.err) == (2, "", f"pod-identity-webhook issuer render: {problem}\n")


USAGE = {
    "nothing": (
        [],
        [
            "--issuer: set the URL of the issuer",
            "--output-dir: set a folder, or - to print the documents",
            "set the keys: --public-key, --jwks or --live",
        ],
    ),
    "files and a cluster": (
        [f"--issuer={ISSUER}", "--live", "--jwks=old.json", "--output-dir=-"],
        ["set either --live or files with --public-key and --jwks, not both"],
    ),
    "an issuer with a slash, and a word": (
        ["--issuer=https://a.example.com/", "--jwks=old.json", "--output-dir=-", "more"],
        [
            "'more': issuer render takes flags only",
            "--issuer: the URL must not end with a slash: set --service-account-issuer without it too",
        ],
    ),
}


@pytest.mark.parametrize(("argv", "problems"), USAGE.values(), ids=USAGE)
@pytest.mark.usefixtures("folder")
def test_wrong_usage_is_reported_as_a_whole(argv: list[str], problems: list[str]) -> None:
    done = run("issuer", "render", *argv)

    lines = [f"pod-identity-webhook issuer render: {problem}" for problem in problems]
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [*lines, "See 'pod-identity-webhook issuer render --help'."]


def test_a_target_that_cannot_be_written_changes_neither_file(folder: Path) -> None:
    (folder / "out" / JWKS).parent.mkdir(parents=True)
    (folder / "out" / JWKS).write_text("before")
    (folder / "out" / DISCOVERY).mkdir(parents=True)
    done = render("--jwks=old.json", "--output-dir=out")

    problem = f"cannot write out/{DISCOVERY}: it is a folder; no file was changed"
    assert (done.code, done.out, done.err) == (1, "", f"pod-identity-webhook issuer render: {problem}\n")
    assert [path.name for path in (folder / "out" / JWKS).parent.iterdir()] == ["jwks"]
    assert (folder / "out" / JWKS).read_text() == "before"


@pytest.mark.usefixtures("folder")
def test_an_output_folder_that_is_a_file_is_named() -> None:
    done = render("--jwks=old.json", "--output-dir=rsa.pub")

    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"pod-identity-webhook issuer render: cannot write rsa.pub/{JWKS}: Not a directory; no file was changed\n"
    )


def live(answers: dict[str, Any], folder: Path) -> Any:
    with api_server(answers) as server:
        config = kubeconfig(folder / "config", here=server.url)
        done = render("--live", f"--kubeconfig={config}", "--output-dir=-")
        return done.code, done.out, done.err.replace(server.url, "URL")


def test_live_takes_the_keys_of_the_api_server_and_compares_its_issuer(folder: Path) -> None:
    jwks = {"keys": [dict(RSA.members)]}
    same = live({f"/{JWKS}": jwks, f"/{DISCOVERY}": {"issuer": ISSUER, "jwks_uri": "https://10.0.0.1/x"}}, folder)
    other = live({f"/{JWKS}": jwks, f"/{DISCOVERY}": {"issuer": "https://other"}}, folder)
    unknown = live({f"/{JWKS}": jwks, f"/{DISCOVERY}": 403}, folder)

    rendered = render("--jwks=old.json", "--output-dir=-")
    assert same == (0, rendered.out, "")
    assert other == (
        0,
        rendered.out,
        (
            "note: the API server's issuer is https://other: its tokens fit these documents only when its first "
            "--service-account-issuer is the URL of --issuer\n"
        ),
    )
    assert unknown == (
        0,
        rendered.out,
        "note: the issuer of the API server could not be read, so it was not compared with --issuer\n",
    )


LIVE_FAILURES = {
    "no such document": (
        {},
        1,
        (
            "the API server does not publish its JWKS at /openid/v1/jwks: it does so only from Kubernetes 1.20 on, and "
            "if its --service-account-issuer is an https URL"
        ),
    ),
    "no right": (
        {f"/{JWKS}": 403},
        1,
        (
            'get /openid/v1/jwks: 403: no: /openid/v1/jwks (grant nonResourceURLs: ["/openid/v1/jwks"], verbs: ["get"] '
            "in a ClusterRole (the ClusterRole system:service-account-issuer-discovery has it))"
        ),
    ),
    "another document": (
        {f"/{JWKS}": {"kind": "Status"}},
        1,
        'the API server\'s JWKS, URL/openid/v1/jwks: it is a JSON object without a list "keys", so it is no JWKS',
    ),
    "no key": ({f"/{JWKS}": {"keys": []}}, 2, "the JWKS of URL: it has no key"),
}


@pytest.mark.parametrize(("answers", "code", "problem"), LIVE_FAILURES.values(), ids=LIVE_FAILURES)
def test_a_cluster_without_usable_keys_is_reported(
    folder: Path, answers: dict[str, Any], code: int, problem: str
) -> None:
    assert live(answers, folder) == (code, "", f"pod-identity-webhook issuer render: {problem}\n")
