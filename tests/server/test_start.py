"""Errors at the start of the webhook: one line with the reason, and the exit code."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.issue import Names, issue_ca, issue_leaf
from tests.server.webhook_process import ANY_PORT, MANIFESTS, clean_environ
from webhook.cli import main

NOW = datetime.now(UTC)
TLS_VERSIONS = "1.0, 1.1, 1.2, 1.3, VersionTLS10, VersionTLS11, VersionTLS12, VersionTLS13"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with manifests, and with two certificates and their keys."""
    folder = tmp_path_factory.mktemp("start")
    (folder / "good.yaml").write_text(MANIFESTS)
    (folder / "bad.yaml").write_text("kind: [")
    ca = issue_ca(NOW, common_name="test CA")
    for name in ("one", "two"):
        pair = issue_leaf(ca, Names.parse(["localhost"]), NOW, lifetime=timedelta(days=1))
        (folder / f"{name}.crt").write_bytes(pair.certificate)
        (folder / f"{name}.key").write_bytes(pair.private_key)
    return folder


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


Outcomes = dict[str, tuple[list[str], int, list[str]]]
USAGE = "See 'pod-identity-webhook serve --help'."


def outcomes(folder: Path, taken: int) -> Outcomes:
    """Returns by name the flags, the exit code, and the lines on standard error."""
    accounts = f"--service-accounts={folder}/good.yaml"
    made = f"--ephemeral-certificate={folder}/made"
    return {
        **unusable_addresses([accounts, made], taken),
        **unusable_files(folder, accounts, made),
        **wrong_flags([accounts, made], folder),
    }


def unusable_addresses(good: list[str], taken: int) -> Outcomes:
    in_use = f"Cannot listen on 127.0.0.1:{taken}: the port is in use"
    return {
        "HTTPS port": ([*good, f"--port={taken}"], 1, [in_use]),
        "metrics port": ([*good, f"--metrics-port={taken}"], 1, [in_use]),
        "address": ([*good, "--bind-address=nowhere"], 1, ["Cannot listen on nowhere:0: not an IP address"]),
    }


def unusable_files(folder: Path, accounts: str, made: str) -> Outcomes:
    return {
        "no certificate": (
            [accounts, f"--tls-cert={folder}/none.crt", f"--tls-key={folder}/one.key"],
            1,
            [f"cannot read {folder}/none.crt: No such file or directory"],
        ),
        "no key": (
            [accounts, f"--tls-cert={folder}/one.crt", f"--tls-key={folder}"],
            1,
            [f"cannot read {folder}: Is a directory"],
        ),
        "mismatch": (
            [accounts, f"--tls-cert={folder}/one.crt", f"--tls-key={folder}/two.key"],
            1,
            [f"{folder}/two.key is not the private key of {folder}/one.crt"],
        ),
        "no manifests": (
            [f"--service-accounts={folder}/none", made],
            1,
            [f"{folder}/none: No such file or directory"],
        ),
        "bad manifests": ([f"--service-accounts={folder}/bad.yaml", made], 1, [f"{folder}/bad.yaml, line "]),
    }


def wrong_flags(good: list[str], folder: Path) -> Outcomes:
    return {
        "TLS settings": (
            [*good, "--tls-min-version=1.4", "--tls-cipher-suites=NOT_A_SUITE"],
            2,
            [
                f"--tls-min-version: unknown TLS version '1.4': use one of {TLS_VERSIONS}",
                "--tls-cipher-suites: unknown cipher suite 'NOT_A_SUITE': use names such as ",
                USAGE,
            ],
        ),
        "two certificates": (
            [*good, f"--tls-cert={folder}/one.crt"],
            2,
            ["--ephemeral-certificate: cannot be used with --tls-cert or --tls-key", USAGE],
        ),
        "two ports alike": (
            [*good, "--port=8443", "--metrics-port=8443", "--namespace=A"],
            2,
            [
                "--metrics-port: 8443 is already the HTTPS port",
                "--namespace: 'A' is not a namespace's name (DNS label)",
                USAGE,
            ],
        ),
    }


NAMES = list(outcomes(Path(), 0))


@pytest.mark.parametrize("name", NAMES)
def test_an_error_at_start_is_one_line(
    folder: Path,
    taken: int,
    name: str,
    logging_restored: None,  # noqa: ARG001 - a fixture with a side effect
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags, code, lines = outcomes(folder, taken)[name]
    assert main(["serve", *ANY_PORT, *flags], {}) == code
    out, err = capsys.readouterr()
    written = err.splitlines()
    prefixed = [line if line.startswith("See ") else f"pod-identity-webhook serve: {line}" for line in lines]
    assert [line[: len(start)] for line, start in zip(written, prefixed, strict=True)] == prefixed
    assert out == ""


def test_the_process_ends_with_the_line_and_the_exit_code(folder: Path, taken: int) -> None:
    flags, code, lines = outcomes(folder, taken)["metrics port"]
    done = subprocess.run(
        [sys.executable, "-m", "webhook", "serve", *ANY_PORT, *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean_environ(),
    )
    assert (done.returncode, done.stderr, done.stdout) == (code, f"pod-identity-webhook serve: {lines[0]}\n", "")
