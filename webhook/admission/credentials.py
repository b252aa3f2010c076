"""Finds the credentials that an AWS SDK would use in a container, from its variables and mounts, in the SDKs' order.

The order: static keys in the environment, a role that a profile assumes, web identity, container credentials
(botocore 1.44, `create_credential_resolver`; AWS SDKs and Tools Reference Guide, "Standardized credential providers").
Some SDKs use any profile before web identity (JavaScript's `fromNodeProviderChain`), and botocore uses no credentials
at all if the named profile does not exist. So this module ranks every profile before web identity.

The module does not know variables from `envFrom` or from the image.
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

# The variables that the runtime will set. None: the value is unknown here, but we assume that it is not empty.
Environment: TypeAlias = Mapping[str, str | None]

# The limit in characters for all resolved variables of a container: nested references can grow exponentially.
_MAX_RESOLVED: Final = 64 * 1024
_REFERENCE: Final = re.compile(r"\$(?:\$|\((?P<name>[^)]*)\))")


class Found(msgspec.Struct, frozen=True, gc=False):
    """Whose credentials an SDK finds: ours, the container's own pod identity, other credentials, or none.

    `why` names the variables of the container's own or other credentials, or says why the SDK finds none.
    `is_certain`: every SDK behaves like this.
    """

    whose: Literal["ours", "own", "others", "none"]
    why: str = ""
    is_certain: bool = True


def environment(variables: Iterable[EnvVar]) -> dict[str, str | None]:
    """Returns the variables that the runtime sets from a container's `env` (kubelet's `makeEnvironmentVariables`).

    The last of several variables with one name wins, and references to other variables are resolved. The value is
    None if it has a reference to a variable that is not in the list, which may come from `envFrom`.
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
    """Resolves the references in `value`. Returns None if one is unknown or if they exceed `room` characters."""
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
    """Returns the credentials that an SDK finds in a container with these variables.

    `ours` holds the two variables that point to our credentials; `is_mounted` tells whether a path lies in a mount.
    """
    before = _before_pod_identity(env, is_mounted) or _web_identity(env, ours, is_mounted)
    return before or _container(env, ours, is_mounted)


def _before_pod_identity(env: Environment, is_mounted: Callable[[str], bool]) -> Found | None:
    for name in ENV_STATIC_KEYS:
        if env.get(name, "") != "":
            return Found("others", name)
    for name in ENV_PROFILES:
        # Botocore takes even an empty value as the name of a profile.
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
    one, other = ours
    if empty and one in env and other in env:
        return Found("none", f"{' and '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty")
    return Found("none", _half(one, other, env) if one in env else _half(other, one, env) if other in env else "")


def _half(is_set: str, lacks: str, env: Environment) -> str:
    is_empty = env.get(is_set) == ""
    lacking = "empty" if lacks in env else "not set" if is_empty else "not"
    return f"{is_set} is {'empty' if is_empty else 'set'} and {lacks} is {lacking}, so the webhook added neither"


def _pod_identity(
    env: Environment, ours: Mapping[str, str], token_file: str, is_mounted: Callable[[str], bool]
) -> Found:
    if token_file in ours and all(env[name] == value for name, value in ours.items()):
        return Found("ours")
    path = env[token_file]
    if path is None:
        return Found("none", f"the webhook cannot tell where {token_file} points")
    if not is_mounted(path):
        return Found("none", f"{token_file} points to no mount")
    other = ENV_ROLE_ARN if token_file == ENV_TOKEN_FILE else ENV_CONTAINER_CREDENTIALS_URI
    return Found("own", f"{other} and {token_file}")
