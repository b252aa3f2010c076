"""Reads what the processes in a running pod have: the variables that SDKs read, and the token. For that, it runs `cat`.

No secret leaves this module: the values of static keys are dropped, and of the token only what was decoded is kept.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

from webhook.admission.annotations import (
    ENV_CONTAINER_CREDENTIALS_TOKEN_FILE,
    ENV_STATIC_KEYS,
    ENV_TOKEN_FILE,
    READ_VARIABLES,
)
from webhook.cluster.execution import execute
from webhook.commands.doctor.gathering.reader import Reader
from webhook.diagnosis.doctor.facts import Object
from webhook.diagnosis.doctor.read import Read
from webhook.errors import WebhookError
from webhook.issuer.token import Token, read_token

_SECONDS: Final = 10.0
# The variables of a process that the runtime starts as it starts the container's own.
_ENVIRONMENT: Final = "/proc/self/environ"
_HIDDEN: Final = "set"

Variables = Mapping[str, str]


async def read_variables(reader: Reader, namespace: str, pod: Object) -> dict[str, Read[Variables]]:
    """Returns the variables of each container that SDKs read: also those of `envFrom` and of the image."""
    containers = [str(container.get("name")) for container in _containers(pod)]
    reads = await asyncio.gather(*(_variables_in(reader, namespace, pod, name) for name in containers))
    return dict(zip(containers, reads, strict=True))


async def read_pod_token(
    reader: Reader, namespace: str, pod: Object, variables: Mapping[str, Read[Variables]]
) -> Read[Token]:
    """Returns the token in the file that a container's variables name; from the first container that can tell."""
    if not _runs(pod):
        return Read(None, "the pod does not run, so its token's file cannot be read")
    problem = f"no container has {ENV_TOKEN_FILE}"
    for container, file in _token_files(pod, variables):
        try:
            text = await _cat(reader, namespace, pod, container, file)
            return Read(read_token(text.decode("ascii", errors="replace")))
        except WebhookError as error:
            problem = str(error)
    return Read(None, problem)


def variables_of(environ: bytes) -> dict[str, str]:
    """Returns the variables that SDKs read from the content of `/proc/PID/environ`; the values of keys are hidden."""
    found = {}
    for line in environ.decode("utf-8", errors="replace").split("\0"):
        name, equals, value = line.partition("=")
        if equals and name in READ_VARIABLES:
            found[name] = _HIDDEN if value and name in ENV_STATIC_KEYS else value
    return found


async def _variables_in(reader: Reader, namespace: str, pod: Object, container: str) -> Read[Variables]:
    if not _runs(pod):
        return Read(None, "the pod does not run")
    try:
        return Read(variables_of(await _cat(reader, namespace, pod, container, _ENVIRONMENT)))
    except WebhookError as error:
        return Read(None, str(error))


async def _cat(reader: Reader, namespace: str, pod: Object, container: str, file: str) -> bytes:
    name = str(pod["metadata"]["name"])
    return await execute(reader.client, namespace, name, container, ("cat", file), seconds=_SECONDS)


def _token_files(pod: Object, variables: Mapping[str, Read[Variables]]) -> Iterator[tuple[str, str]]:
    """Yields the containers with a variable for a token's file, and that file."""
    for container in _containers(pod):
        name = str(container.get("name"))
        of_spec = {str(one.get("name")): str(one.get("value") or "") for one in container.get("env") or []}
        seen = variables[name].value if name in variables else None
        environ = of_spec if seen is None else seen
        file = environ.get(ENV_TOKEN_FILE) or environ.get(ENV_CONTAINER_CREDENTIALS_TOKEN_FILE)
        if file:
            yield name, file


def _containers(pod: Object) -> list[dict[str, Any]]:
    return (pod.get("spec") or {}).get("containers") or []


def _runs(pod: Object) -> bool:
    return bool((pod.get("status") or {}).get("phase") == "Running")
