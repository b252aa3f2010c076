"""Runs botocore's own credential resolution with the variables and files that a container would have.

This module implements kubelet's part again (references, the last of two variables with one name, files of volumes), so
that our code is not tested against itself.
"""

import copy
import os
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from unittest import mock
from urllib.parse import parse_qs

import botocore.exceptions
import botocore.hooks
import botocore.loaders
import botocore.session
import botocore.utils

JSON = dict[str, Any]

PATHS: Final = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
)
# botocore makes these anew for each session, and no variable changes them. Shared, they halve the time of the tests.
_MODELS: Final = botocore.loaders.create_loader()
_HANDLERS: Final = botocore.hooks.HierarchicalEmitter()
botocore.session.Session(event_hooks=_HANDLERS)
_EXPIRES: Final = "2100-01-01T00:00:00Z"
_ASSUMED: Final = f"""<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken>
<Expiration>{_EXPIRES}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>i</AssumedRoleId><Arn>a</Arn>
</AssumedRoleUser></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


@dataclass(frozen=True)
class Used:
    """The credentials that botocore uses: its name of the method, and what it sent to get them; or `failed`."""

    method: str
    asked: dict[str, str] = field(default_factory=dict)


class Sts:
    """A local STS that gives credentials to everybody and records the requests."""

    def __init__(self) -> None:
        self.asked: dict[str, str] = {}
        sts = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                sts.asked = {name: values[0] for name, values in parse_qs(body).items()}
                answer = _ASSUMED.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def environment(container: JSON, elsewhere: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables as kubelet sets them; `elsewhere` holds the values of those with `valueFrom`."""
    found: dict[str, str] = {}

    def resolved(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return found.get(match[1], match[0])

    for variable in container.get("env") or ():
        name = variable["name"]
        if variable.get("value"):
            found[name] = re.sub(r"\$\$|\$\(([^)]*)\)", resolved, variable["value"])
        else:
            found[name] = elsewhere[name] if variable.get("valueFrom") else ""
    return found


def _volumes(pod: JSON) -> dict[str, JSON]:
    return {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}


def write_files(root: Path, container: JSON, pod: JSON, contents: Mapping[str, str]) -> None:
    """Writes the files of a container: tokens for projected volumes, and `contents` for volumes of other kinds.

    The content of a token is its audience.
    """
    for mount in container.get("volumeMounts") or ():
        volume = _volumes(pod)[mount["name"]]
        place = root / mount["mountPath"].strip("/")
        if "projected" in volume:
            for source in volume["projected"]["sources"]:
                token = source["serviceAccountToken"]
                _write(place / token["path"], token["audience"])
        else:
            for path, content in contents.items():
                if path.startswith(mount["mountPath"] + "/"):
                    _write(root / path.strip("/"), content)


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def used(container: JSON, pod: JSON, elsewhere: Mapping[str, str], contents: Mapping[str, str], sts: Sts) -> Used:
    """Returns the credentials that botocore uses in a container of `pod`."""
    sts.asked = {}
    asked_agent: dict[str, str] = {}

    def retrieve(_self: object, full_url: str, headers: Mapping[str, str] | None = None) -> dict[str, str]:
        asked_agent.update(url=full_url, token=(headers or {}).get("Authorization", ""))
        return {"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T", "Expiration": _EXPIRES}

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_files(root, container, pod, contents)
        variables = environment(container, elsewhere)
        in_root = {name: folder + path for name in PATHS if (path := variables.get(name))}
        ours = {"HOME": folder, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL_STS": sts.url}
        with (
            _environ(
                {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1", **variables, **in_root, **ours}
            ),
            mock.patch.object(botocore.utils.ContainerMetadataFetcher, "retrieve_full_uri", retrieve),
        ):
            try:
                credentials = _session().get_credentials()
                if credentials is None:
                    return Used("none")
                credentials.get_frozen_credentials()
            except (botocore.exceptions.BotoCoreError, OSError, ValueError):
                return Used("failed")
    if credentials.method == "assume-role-with-web-identity":
        return Used(credentials.method, {"role": sts.asked["RoleArn"], "token": sts.asked["WebIdentityToken"]})
    return Used(credentials.method, asked_agent)


def _session() -> botocore.session.Session:
    session = botocore.session.Session(event_hooks=copy.copy(_HANDLERS), include_builtin_handlers=False)
    session.register_component("data_loader", _MODELS)
    return session


@contextmanager
def _environ(variables: Mapping[str, str]) -> Iterator[None]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with mock.patch.dict(os.environ, {**kept, **variables}, clear=True):
        yield
