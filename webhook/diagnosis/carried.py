"""The credentials that each container of a pod carries: role, audience, session, and where its token is."""

import posixpath
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec

from webhook.admission import credentials
from webhook.admission.annotations import (
    ENV_CONTAINER_CREDENTIALS_TOKEN_FILE,
    ENV_CONTAINER_CREDENTIALS_URI,
    ENV_DEFAULT_REGION,
    ENV_REGION,
    ENV_ROLE_ARN,
    ENV_ROLE_SESSION_NAME,
    ENV_STS_REGIONAL_ENDPOINTS,
    ENV_TOKEN_FILE,
)
from webhook.admission.injection import SESSION_NAME_MAX
from webhook.admission.mounts import Place
from webhook.admission.pod import EnvVar
from webhook.diagnosis.own_values import SECTIONS, maps

ROLE: Final = "role"
URI: Final = "credentials URI"
AUDIENCE: Final = "audience"
EXPIRATION: Final = "token expiration"
TOKEN_FILE: Final = "token file"
SESSION: Final = "session name"
# A container may have these from elsewhere: they count only if the webhook would set them.
OPTIONAL: Final = ("region", "default region", "STS endpoints")

_VARIABLES: Final = {
    ROLE: ENV_ROLE_ARN,
    URI: ENV_CONTAINER_CREDENTIALS_URI,
    "region": ENV_REGION,
    "default region": ENV_DEFAULT_REGION,
    "STS endpoints": ENV_STS_REGIONAL_ENDPOINTS,
}

# What a container carries, in words for people; what it does not carry is not there.
Carried: TypeAlias = Mapping[str, str]


def carried_by(pod: Mapping[str, Any]) -> dict[str, Carried]:
    """Returns what each container of a pod carries, by the container's name."""
    spec = pod["spec"]
    volumes = {str(volume.get("name")): volume for volume in maps(spec.get("volumes"))}
    name = str(pod.get("metadata", {}).get("name", ""))
    return {
        str(container.get("name")): _of_container(container, volumes, name)
        for section in SECTIONS
        for container in maps(spec.get(section))
    }


def is_whole(carried: Carried) -> bool:
    """Whether these are whole credentials of a pod identity: something to ask for, and a token."""
    return (ROLE in carried or URI in carried) and AUDIENCE in carried


def _of_container(container: Mapping[str, Any], volumes: Mapping[str, Mapping[str, Any]], pod_name: str) -> Carried:
    variables = [msgspec.convert(variable, EnvVar) for variable in maps(container.get("env"))]
    env = credentials.environment(variables)
    found = {what: text for what, variable in _VARIABLES.items() if (text := _text(env, variable))}
    if ENV_ROLE_SESSION_NAME in env:
        # By reference, it is the pod's name (see `session_name_of`).
        found[SESSION] = env[ENV_ROLE_SESSION_NAME] or pod_name[:SESSION_NAME_MAX]
    token_file = _text(env, ENV_TOKEN_FILE) or _text(env, ENV_CONTAINER_CREDENTIALS_TOKEN_FILE)
    if token_file:
        found[TOKEN_FILE] = token_file
        token = token_at(token_file, container, volumes)
        if token is not None:
            found[AUDIENCE] = str(token.get("audience") or "the API server")
            found[EXPIRATION] = f"{token.get('expirationSeconds', 3600)} s"
    return found


def _text(env: credentials.Environment, variable: str) -> str:
    """Returns the value of a variable; "" if it is empty or not set."""
    return (env[variable] or "a value from elsewhere") if env.get(variable, "") != "" else ""


def token_at(
    path: str, container: Mapping[str, Any], volumes: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Returns the service account token (core/v1 ServiceAccountTokenProjection) at `path` in a container, or None."""
    innermost, place = None, None
    for mount in maps(container.get("volumeMounts")):
        here = Place(str(mount.get("mountPath", "")), windows=path.startswith("C:"))
        if here.is_below(path, here.path) and (place is None or len(here.path) > len(place.path)):
            innermost, place = mount, here
    if innermost is None or place is None or innermost.get("subPath"):
        return None
    relative = posixpath.relpath(place.clean(path), place.path)
    for token in projected_tokens(volumes.get(str(innermost.get("name")), {})):
        # On Windows, the whole path was made lower case.
        if token.get("path") == relative or str(token.get("path")).lower() == relative:
            return token
    return None


def projected_tokens(volume: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the service account tokens that a volume projects."""
    projected = volume.get("projected")
    sources = maps(projected.get("sources")) if isinstance(projected, Mapping) else ()
    return [token for source in sources if isinstance(token := source.get("serviceAccountToken"), Mapping)]
