"""Which credentials an AWS SDK would use in a container: from its variables and its mounts, in the order of the SDKs.

Static keys in the environment come first, then a role that a profile assumes, web identity, container credentials
(botocore 1.44, `create_credential_resolver`; AWS SDKs and Tools Reference Guide, "Standardized credential providers").
Some SDKs take any profile before web identity (JavaScript's `fromNodeProviderChain`), and botocore uses none at all
where the profile is not there that it was told of. So a profile counts as what goes first.

What a container gets by `envFrom`, or has in its image, is not known here.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from webhook.admission.annotations import (
    ENV_CONTAINER_CREDENTIALS_RELATIVE_URI,
    ENV_CONTAINER_CREDENTIALS_TOKEN_FILE,
    ENV_CONTAINER_CREDENTIALS_URI,
    ENV_PROFILES,
    ENV_ROLE_ARN,
    ENV_SHARED_FILES,
    ENV_STATIC_KEYS,
    ENV_TOKEN_FILE,
)
from webhook.admission.pod import EnvVar

# What the runtime will set; None where that is not known here, but taken to be something.
Environment: TypeAlias = Mapping[str, str | None]

# Of a container's variables, what references make of them: they can grow without end.
_MAX_RESOLVED: Final = 64 * 1024
_REFERENCE: Final = re.compile(r"\$(?:\$|\((?P<name>[^)]*)\))")


class Found(msgspec.Struct, frozen=True, gc=False):
    """Whose credentials an SDK finds: ours, the container's own for a pod's identity, others, or none.

    `why` names the variable of others that goes first, or the container's own; or it says why there are none.
    `is_certain`: every SDK does so.
    """

    whose: Literal["ours", "own", "others", "none"]
    why: str = ""
    is_certain: bool = True


def environment(variables: Iterable[EnvVar]) -> dict[str, str | None]:
    """What the runtime sets of a container's `env`: of two of a name the last, with references to others resolved.

    Kubelet's `makeEnvironmentVariables`. A reference to what is not in the list may be one into `envFrom`.
    """
    found: dict[str, str | None] = {}
    room = _MAX_RESOLVED
    for variable in variables:
        if not variable.value:
            found[variable.name] = None if variable.valueFrom is not None else ""
        elif "$" not in variable.value:
            found[variable.name] = variable.value
        else:
            resolved = found[variable.name] = _resolved(variable.value, found, room)
            room -= len(resolved or "")
    return found


def _resolved(value: str, before: Environment, room: int) -> str | None:
    """`value` with its references resolved, in at most `room` characters; None where that cannot be."""
    parts = []
    end = 0
    for match in _REFERENCE.finditer(value):
        name = match["name"]
        part = "$" if name is None else before.get(name)
        if part is None:
            return None
        parts += [value[end : match.start()], part]
        end = match.end()
        room -= len(part)
        if room < 0:
            return None
    return "".join([*parts, value[end:]])


def found(env: Environment, ours: Mapping[str, str], is_mounted: Callable[[str], bool]) -> Found:
    """What an SDK finds in a container with these variables.

    `ours` are the two variables that name our credentials; `is_mounted` says of a path whether it lies below a mount.
    """
    before = _before_pod_identity(env, is_mounted) or _web_identity(env, ours, is_mounted)
    return before or _container(env, ours, is_mounted)


def _before_pod_identity(env: Environment, is_mounted: Callable[[str], bool]) -> Found | None:
    for name in ENV_STATIC_KEYS:
        if env.get(name, "") != "":
            return Found("others", name)
    for name in ENV_PROFILES:
        # Even an empty one is the name of a profile, to botocore.
        if name in env:
            return Found("others", name, is_certain=False)
    for name in ENV_SHARED_FILES:
        path = env.get(name, "")
        if path is None or (path and is_mounted(path)):
            return Found("others", name, is_certain=False)
    return None


def _web_identity(env: Environment, ours: Mapping[str, str], is_mounted: Callable[[str], bool]) -> Found | None:
    if env.get(ENV_TOKEN_FILE, "") == "":
        return None
    if env.get(ENV_ROLE_ARN, "") == "":
        return Found("none", _half(ENV_TOKEN_FILE, ENV_ROLE_ARN, env))
    if ENV_TOKEN_FILE not in ours:
        return Found("others", ENV_TOKEN_FILE)
    return _pod_identity(env, ours, ENV_TOKEN_FILE, is_mounted)


def _container(env: Environment, ours: Mapping[str, str], is_mounted: Callable[[str], bool]) -> Found:
    if ENV_CONTAINER_CREDENTIALS_RELATIVE_URI in env:
        return Found("others", ENV_CONTAINER_CREDENTIALS_RELATIVE_URI)
    if env.get(ENV_CONTAINER_CREDENTIALS_URI, "") != "":
        if env.get(ENV_CONTAINER_CREDENTIALS_TOKEN_FILE, "") == "":
            return Found("none", _half(ENV_CONTAINER_CREDENTIALS_URI, ENV_CONTAINER_CREDENTIALS_TOKEN_FILE, env))
        return _pod_identity(env, ours, ENV_CONTAINER_CREDENTIALS_TOKEN_FILE, is_mounted)
    empty = [name for name in ours if env.get(name) == ""]
    if empty:
        return Found("none", f"{' and '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty")
    one, other = ours
    return Found("none", _half(one, other, env) if one in env else _half(other, one, env) if other in env else "")


def _half(is_set: str, lacks: str, env: Environment) -> str:
    return f"{is_set} is set, and {lacks} is {'empty' if lacks in env else 'not'}"


def _pod_identity(
    env: Environment, ours: Mapping[str, str], token_file: str, is_mounted: Callable[[str], bool]
) -> Found:
    if token_file in ours and all(env[name] == value for name, value in ours.items()):
        return Found("ours")
    path = env[token_file]
    if path is None:
        return Found("none", f"it is not known where {token_file} points")
    if not is_mounted(path):
        return Found("none", f"{token_file} points to no mount")
    other = ENV_ROLE_ARN if token_file == ENV_TOKEN_FILE else ENV_CONTAINER_CREDENTIALS_URI
    return Found("own", f"{other} and {token_file}")
