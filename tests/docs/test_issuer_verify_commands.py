import json
import shlex
import time
from pathlib import Path

import pytest

from tests.commands.issuer.verify.issuer_server import Answer, serving
from tests.commands.issuer.verify.test_live import PATH, answering
from tests.commands.outcome import run
from tests.commands.replay.live import kubeconfig
from tests.docs.pages import ROOT, commands, quoted, table
from tests.issuer.published import DISCOVERY, KEYS, Published, token

HOST = "oidc.example.com"
ISSUER = f"https://{HOST}"
VERIFY = [
    command
    for command in commands(ROOT / "docs/issuer.md", "Verify")
    if command.startswith("pod-identity-webhook issuer verify ")
]


def test_the_documented_commands_verify_an_issuer_and_its_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    now = int(time.time())
    text = token(iss=ISSUER, iat=now, nbf=now, exp=now + 600)
    (tmp_path / "token").write_text(text)
    with serving(tmp_path, name=HOST) as served, answering(201, {"status": {"token": text}}) as api_server:
        discovery = {**DISCOVERY, "issuer": ISSUER, "jwks_uri": f"{ISSUER}/openid/v1/jwks"}
        served.answers["/.well-known/openid-configuration"] = Answer(200, json.dumps(discovery).encode())
        served.answers["/openid/v1/jwks"] = Answer(200, json.dumps(KEYS).encode())
        monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", here=api_server.url))
        # Nothing else connects to the host of an example.
        done = [run(*shlex.split(command)[1:], *served.flags) for command in VERIFY]

    assert [(outcome.code, outcome.err) for outcome in done] == [(0, "")] * 4
    assert [path for path, _ in api_server.created] == [PATH]
    assert json.loads(done[2].out)["failed"] == []
    skipped = [json.loads(done[2].out)["checks"][-1]["name"], *(outcome.out.count("skipped") for outcome in done)]
    assert skipped == ["exp", 2, 0, 0, 2]


def test_the_documented_requirements_are_those_of_the_code() -> None:
    documented = {name: row[1] for row in table("issuer.md", "Verify") for name in quoted(row[0])}
    bucket = Published(issuer="https://bucket.s3.amazonaws.com")

    assert documented == {name: check.requirement for name, check in bucket.checks().items()}
