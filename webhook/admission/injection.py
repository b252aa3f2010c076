"""What an identity adds to a pod: variables, mount, volume and label. The same for each of its containers."""

import posixpath
import re
import zlib
from collections.abc import Container, Mapping
from functools import lru_cache
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
from webhook.admission.settings import DEFAULT_TOKEN_EXPIRATION, Settings
from webhook.admission.warning import quoted

_REGIONS: Final = (ENV_DEFAULT_REGION, ENV_REGION)

# STS AssumeRoleWithWebIdentity, parameter RoleSessionName.
_SESSION_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}", re.ASCII)
_SESSION_NAME_MAX: Final = 64
_POD_NAME: Final = "pod-name"

# The agent's tokens all live as long by default: jitter keeps a cluster's from being renewed at one time.
_JITTERED_FROM: Final = 79200


class Injection(msgspec.Struct, frozen=True):
    """What to add. `credentials` are the two variables that name the credentials; `env` all variables, in their order.

    `mount` and `volume` are core/v1 objects. `token_path` is relative to `mount_path`, which `clean_mount_path` spells
    the plain way; `label` is for the pod. An injection is shared by all pods that get the same: nothing in it is ever
    changed.
    """

    credentials: dict[str, str]
    env: list[dict[str, Any]]
    mount: dict[str, Any]
    volume: dict[str, Any]
    volume_name: str
    mount_path: str
    clean_mount_path: str
    token_path: str
    audience: str
    windows: bool
    label: tuple[str, str] | None = None

    def env_beside(self, preset: Container[str]) -> list[dict[str, Any]]:
        """The variables for a container that sets those in `preset` itself.

        One of a pair (credentials, regions) that is preset keeps both of the pair out.
        """
        pairs = (_REGIONS, tuple(self.credentials))
        kept_out = {name for pair in pairs if any(one in preset for one in pair) for name in pair}
        return [entry for entry in self.env if entry["name"] not in kept_out and entry["name"] not in preset]


def plan(
    identity: Identity,
    settings: Settings,
    *,
    windows: bool,
    uid: str,
    session_name: dict[str, Any] | None = None,
) -> Injection:
    """What `identity` adds to the pod of the review `uid` (which seeds the jitter, so that a replay gives the same)."""
    if identity.method == "container_credentials" and identity.expiration == DEFAULT_TOKEN_EXPIRATION:
        jitter = zlib.crc32(uid.encode()) % (DEFAULT_TOKEN_EXPIRATION - _JITTERED_FROM + 1)
        identity = msgspec.structs.replace(identity, expiration=_JITTERED_FROM + jitter)
    injection = _injection(identity, settings, windows)
    if session_name is not None:
        injection = msgspec.structs.replace(injection, env=[*injection.env, session_name])
    return injection


# The pods of a cluster run as few ServiceAccounts, over and over.
@lru_cache(maxsize=1024)
def _injection(identity: Identity, settings: Settings, windows: bool) -> Injection:
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
    token = {"audience": identity.audience, "expirationSeconds": identity.expiration, "path": path}
    return Injection(
        credentials=credentials,
        env=_variables(identity, settings, credentials),
        mount={"name": volume_name, "readOnly": True, "mountPath": mount_path},
        volume={"name": volume_name, "projected": {"sources": [{"serviceAccountToken": token}]}},
        volume_name=volume_name,
        mount_path=mount_path,
        clean_mount_path=posixpath.normpath(mount_path),
        token_path=path,
        audience=identity.audience,
        windows=windows,
        label=label,
    )


def _variables(identity: Identity, settings: Settings, credentials: Mapping[str, str]) -> list[dict[str, Any]]:
    """All variables but the session's name, in the order in which they are added."""
    env = [{"name": ENV_STS_REGIONAL_ENDPOINTS, "value": "regional"}] if identity.regional_sts else []
    if settings.aws_default_region:
        env += [{"name": name, "value": settings.aws_default_region} for name in _REGIONS]
    return env + [{"name": name, "value": value} for name, value in credentials.items()]


def session_name_variable(
    pod_annotations: Mapping[str, str],
    account_annotations: Mapping[str, str],
    pod_name: str,
    settings: Settings,
    warnings: list[str],
) -> dict[str, Any] | None:
    """AWS_ROLE_SESSION_NAME as the annotations ask for it (the Pod's wins), or None; a bad value adds to `warnings`."""
    kind, value = "Pod", pod_annotations.get(ROLE_SESSION_NAME)
    if value is None:
        kind, value = "ServiceAccount", account_annotations.get(ROLE_SESSION_NAME)
    if value is None:
        return None
    if value == _POD_NAME:
        if len(pod_name) <= _SESSION_NAME_MAX:
            return {"name": ENV_ROLE_SESSION_NAME, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        value = pod_name[:_SESSION_NAME_MAX]
    if not _SESSION_NAME.fullmatch(value):
        key = f"{settings.own_prefix}{ROLE_SESSION_NAME}"
        warnings.append(f"{kind} annotation {key}: {quoted(value)} is not a session name: not added")
        return None
    return {"name": ENV_ROLE_SESSION_NAME, "value": value}
