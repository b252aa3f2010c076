"""An issuer at an HTTPS server, whose documents are right, and a token of it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.issuer.verify.issuer_server import Answer, Served, serving
from tests.issuer.published import DISCOVERY, KEYS, token

DISCOVERY_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/openid/v1/jwks"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as served:
        publish(served)
        yield served


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A token that is valid now."""
    path = tmp_path / "token"
    now = int(time.time())
    path.write_text(token(iat=now, nbf=now, exp=now + 600) + "\n")
    return path


def publish(served: Served) -> None:
    served.answers[DISCOVERY_PATH] = Answer(200, json.dumps(DISCOVERY).encode())
    served.answers[JWKS_PATH] = Answer(200, json.dumps(KEYS).encode())
