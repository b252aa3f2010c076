"""What an identity adds to a pod: variables, mount, volume and label. The same for each of its containers."""

import posixpath
import re
import zlib
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

    `token_path` is relative to `mount_path`; `label` is for the pod.
    """

    credentials: dict[str, str]
    env: list[dict[str, Any]]
    volume_name: str
    mount_path: str
    token_path: str
    audience: str
    expiration: int
    windows: bool
    label: tuple[str, str] | None = None

    def env_beside(self, preset: Container[str]) -> list[dict[str, Any]]:
        """The variables for a container that sets those in `preset` itself.

        One of a pair (credentials, regions) that is preset keeps both of the pair out.
        """
        kept_out = {name for pair in (_REGIONS, tuple(self.credentials)) if any(n in preset for n in pair) for name in pair}
        return [entry for entry in self.env if entry["name"] not in kept_out and entry["name"] not in preset]

    @property
    def mount(self) -> dict[str, Any]:
        """The volume mount (core/v1 VolumeMount)."""
        return {"name": self.volume_name, "readOnly": True, "mountPath": self.mount_path}

    @property
    def volume(self) -> dict[str, Any]:
        """The projected volume (core/v1 Volume)."""
        token = {"audience": self.audience, "expirationSeconds": self.expiration, "path": self.token_path}
        return {"name": self.volume_name, "projected": {"sources": [{"serviceAccountToken": token}]}}


def plan(
    identity: Identity,
    settings: Settings,
    *,
    windows: bool,
    uid: str,
    session_name: dict[str, Any] | None = None,
) -> Injection:
    """What `identity` adds to the pod of the review `uid` (which seeds the jitter, so that a replay gives the same)."""
    if identity.method == "container_credentials":
        volume, path = settings.container_credentials_token_volume_name, settings.container_credentials_token_path
        mount_path = settings.container_credentials_token_mount_path
        first = (ENV_CONTAINER_CREDENTIALS_URI, settings.container_credentials_full_uri)
        token_variable = ENV_CONTAINER_CREDENTIALS_TOKEN_FILE
        label = (CONTAINER_CREDENTIALS_LABEL, CONTAINER_CREDENTIALS_LABEL_VALUE)
    else:
        volume, path, mount_path = TOKEN_VOLUME_NAME, TOKEN_PATH, settings.token_mount_path
        first = (ENV_ROLE_ARN, identity.role_arn)
        token_variable, label = ENV_TOKEN_FILE, None
    expiration = identity.expiration
    if label is not None and expiration == DEFAULT_TOKEN_EXPIRATION:
        expiration = _JITTERED_FROM + zlib.crc32(uid.encode()) % (DEFAULT_TOKEN_EXPIRATION - _JITTERED_FROM + 1)
    token_file = posixpath.join(mount_path, path)
    if windows:
        token_file = "C:" + token_file.replace("/", "\\")
    credentials = {first[0]: first[1], token_variable: token_file}
    env: list[dict[str, Any]] = []
    if identity.regional_sts:
        env.append({"name": ENV_STS_REGIONAL_ENDPOINTS, "value": "regional"})
    if settings.aws_default_region:
        env += [{"name": name, "value": settings.aws_default_region} for name in _REGIONS]
    env += [{"name": name, "value": value} for name, value in credentials.items()]
    if session_name is not None:
        env.append(session_name)
    return Injection(
        credentials=credentials,
        env=env,
        volume_name=volume,
        mount_path=mount_path,
        token_path=path,
        audience=identity.audience,
        expiration=expiration,
        windows=windows,
        label=label,
    )


def session_name_variable(
    pod_annotations: Mapping[str, str],
    account_annotations: Mapping[str, str],
    pod_name: str,
    settings: Settings,
    warnings: list[str],
) -> dict[str, Any] | None:
    """AWS_ROLE_SESSION_NAME as the annotations ask for it (the Pod's wins), or None; appends a warning where it is bad."""
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
        key = f"{settings.annotation_prefix}/{ROLE_SESSION_NAME}"
        warnings.append(f"{kind} annotation {key}: {quoted(value)} is not a session name: not added")
        return None
    return {"name": ENV_ROLE_SESSION_NAME, "value": value}
