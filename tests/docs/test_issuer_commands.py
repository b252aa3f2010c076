"""Runs the commands of docs/issuer.md, in their order."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.commands.issuer.key_files import EC, RSA, jwks, pem
from tests.commands.issuer.test_thumbprint import CA, DISCOVERY, https, thumbprint_of
from tests.commands.outcome import Outcome, run
from tests.commands.replay.live import api_server, kubeconfig
from tests.docs.pages import ROOT, commands
from tests.issuer.keys import ec_key, rsa_key

PAGE = ROOT / "docs/issuer.md"
AWS = '#!/bin/sh\necho "$2" >> calls\n'


def shown(heading: str) -> list[list[str]]:
    """The commands under a heading, as words without the program."""
    return [shlex.split(command)[1:] for command in commands(PAGE, heading)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the page's files and an aws on the PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    (tmp_path / "sa.pub").write_bytes(pem(rsa_key()))
    (tmp_path / "new.pub").write_bytes(pem(ec_key("ES256")))
    (tmp_path / "signer.json").write_bytes(jwks({**EC.members, "kid": "of-the-signer"}))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/aws").write_text(AWS)
    (tmp_path / "bin/aws").chmod(0o700)
    return tmp_path


def done(words: list[str]) -> Outcome:
    outcome = run(*words, environ={"PATH": f"{Path.cwd()}/bin:{os.environ['PATH']}"})
    assert outcome.code == 0, outcome.err
    return outcome


def test_the_commands_from_render_to_publish_work_in_their_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from_pem, from_cluster, from_jwks = shown("Render")
    done(from_pem)
    written = (folder / "issuer/openid/v1/jwks").read_bytes()
    answers: dict[str, Any] = {"/openid/v1/jwks": {"keys": [dict(RSA.members)]}}
    with api_server(answers) as server:
        monkeypatch.setenv("KUBECONFIG", kubeconfig(folder / "config", here=server.url))
        done(from_cluster)
    assert (folder / "issuer/openid/v1/jwks").read_bytes() == written
    assert '"of-the-signer"' in done(from_jwks).out

    merge, with_time = shown("Merge")
    assert f"added: {EC.kid}\n" in done(merge).out
    assert "from when: 2026-02-01T12:05:00Z" in done(with_time).err

    publish, again, distribution, render, behind = shown("Publish")
    assert done(publish).out.count("\naws ") == 6
    assert not (folder / "calls").exists()
    done(again)
    assert (folder / "calls").read_text().split() == ["put-object", "put-object"]
    assert "create-distribution" in done(distribution).out
    done(render)
    assert "--url https://d111111abcdef8.cloudfront.net " in done(behind).out


def test_the_thumbprint_is_shown(folder: Path) -> None:
    (words,) = shown("Thumbprint")
    documents: dict[str, bytes] = {}
    with https(folder / "server", documents) as port:
        url = f"https://localhost:{port}"
        documents[DISCOVERY] = json.dumps({"jwks_uri": f"{url}/keys"}).encode()
        (folder / "ca.crt").write_bytes(CA.certificate)
        here = [word.replace("https://issuer.example.com", url) for word in words]
        outcome = done([*here, "--ca-file=ca.crt"])

    assert here != words
    assert outcome.out.splitlines()[0] == thumbprint_of(CA)
