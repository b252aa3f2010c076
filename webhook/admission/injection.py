"""The variables, mount, volume and label that an identity adds to a pod. Each container gets the same."""

import posixpath
import re
from collections.abc import Container, Mapping
from typing import Any, Final

import msgspec

from webhook.admission.annotations import (
    CONTAINER_CREDENTIALS_LABEL,
    CONTAINER_CREDENTIALS_LABEL_VALUE,
    ENV_CONTAINER_CREDENTIALS_TOKEN_FILE,
    ENV_CONTAINER_CREDENTIALS_URI,
    ENV_DEFAULT_REGION,
    ENV_REGION,
    ENV_ROLE_ARN,
    ENV_ROLE_SESSION_NAME,
    ENV_STS_REGIONAL_ENDPOINTS,
    ENV_TOKEN_FILE,
    ROLE_SESSION_NAME,
    TOKEN_PATH,
    TOKEN_VOLUME_NAME,
)
from webhook.admission.identity import Identity
from webhook.admission.mounts import Place
from webhook.admission.settings import Settings
from webhook.admission.warning import quoted

_REGIONS: Final = (ENV_DEFAULT_REGION, ENV_REGION)

# STS AssumeRoleWithWebIdentity, parameter RoleSessionName.
_SESSION_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}", re.ASCII)
SESSION_NAME_MAX: Final = 64
_POD_NAME: Final = "pod-name"


class Injection(msgspec.Struct, frozen=True):
    """What to add to a pod.

    `credentials` holds the two variables that point to the credentials; `env` holds all variables, in order. `mount`
    is a core/v1 VolumeMount. `token_path` is relative to `mount_path`; `place` is the place of `mount_path`. `label`
    is a label for the pod.
    """

    credentials: dict[str, str]
    env: list[dict[str, Any]]
    mount: dict[str, Any]
    volume_name: str
    mount_path: str
    place: Place
    token_path: str
    audience: str
    windows: bool
    label: tuple[str, str] | None = None

    def env_beside(self, preset: Container[str]) -> list[dict[str, Any]]:
        """Returns the variables to add to a container that itself sets those in `preset`.

        The two credentials variables form a pair, and so do the two region variables. If a container sets one of a
        pair, it gets neither.
        """
        pairs = (_REGIONS, tuple(self.credentials))
        kept_out = {name for pair in pairs if any(one in preset for one in pair) for name in pair}
        return [entry for entry in self.env if entry["name"] not in kept_out and entry["name"] not in preset]

    @property
    def size(self) -> int:
        """The minimum number of JSON bytes that each container gets."""
        return len(msgspec.json.encode([*self.env, self.mount]))

    def volume(self, expiration: int) -> dict[str, Any]:
        """Returns the projected volume (core/v1 Volume) with a token that lasts `expiration` seconds."""
        token = {"audience": self.audience, "expirationSeconds": expiration, "path": self.token_path}
        return {"name": self.volume_name, "projected": {"sources": [{"serviceAccountToken": token}]}}


def injection_of(identity: Identity, settings: Settings, *, windows: bool, session_name: str | None) -> Injection:
    """Returns what `identity` adds to a pod; `session_name` is the result of `session_name_of`."""
    if identity.method == "container_credentials":
        volume_name, path = settings.container_credentials_token_volume_name, settings.container_credentials_token_path
        mount_path = settings.container_credentials_token_mount_path
        first = (ENV_CONTAINER_CREDENTIALS_URI, settings.container_credentials_full_uri)
        token_variable = ENV_CONTAINER_CREDENTIALS_TOKEN_FILE
        label = (CONTAINER_CREDENTIALS_LABEL, CONTAINER_CREDENTIALS_LABEL_VALUE)
    else:
        volume_name, path, mount_path = TOKEN_VOLUME_NAME, TOKEN_PATH, settings.token_mount_path
        first = (ENV_ROLE_ARN, identity.role_arn)
        token_variable, label = ENV_TOKEN_FILE, None
    token_file = posixpath.join(mount_path, path)
    if windows:
        token_file = "C:" + token_file.replace("/", "\\")
    credentials = {first[0]: first[1], token_variable: token_file}
    env = [{"name": ENV_STS_REGIONAL_ENDPOINTS, "value": "regional"}] if identity.regional_sts else []
    if settings.aws_default_region:
        env += [{"name": name, "value": settings.aws_default_region} for name in _REGIONS]
    env += [{"name": name, "value": value} for name, value in credentials.items()]
    variables: list[dict[str, Any]] = [*env, _session_name_variable(session_name)] if session_name else [*env]
    return Injection(
        credentials=credentials,
        env=variables,
        mount={"name": volume_name, "readOnly": True, "mountPath": mount_path},
        volume_name=volume_name,
        mount_path=mount_path,
        place=Place(mount_path, windows=windows),
        token_path=path,
        audience=identity.audience,
        windows=windows,
        label=label,
    )


def session_name_of(
    pod_annotations: Mapping[str, str],
    account_annotations: Mapping[str, str],
    pod_name: str,
    settings: Settings,
    warnings: list[str],
) -> str | None:
    """Returns the session name from the annotations; the Pod's goes before the ServiceAccount's.

    Returns None if there is no such annotation, or if its value is invalid, in which case it adds a warning. The value
    `pod-name` means the name of the pod; if the review shows that this name is too long for STS, it is cut.
    """
    kind, value = "Pod", pod_annotations.get(ROLE_SESSION_NAME)
    if value is None:
        kind, value = "ServiceAccount", account_annotations.get(ROLE_SESSION_NAME)
    if value is None:
        return None
    if value == _POD_NAME:
        return _POD_NAME if len(pod_name) <= SESSION_NAME_MAX else pod_name[:SESSION_NAME_MAX]
    if not _SESSION_NAME.fullmatch(value):
        key = f"{settings.own_prefix}{ROLE_SESSION_NAME}"
        problem = f"{quoted(value)} is not a valid session name" if value else "it is empty"
        warnings.append(f"no session name added: {kind} annotation {key}: {problem}")
        return None
    return value


def _session_name_variable(name: str) -> dict[str, Any]:
    if name == _POD_NAME:
        return {"name": ENV_ROLE_SESSION_NAME, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    return {"name": ENV_ROLE_SESSION_NAME, "value": name}
