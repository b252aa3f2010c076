"""Rebuilds, from a running pod, the pod as its owner would create it: without what the webhook may have added."""

from collections.abc import Mapping
from typing import Any, Final

from webhook.admission.annotations import ENV_CONTAINER_CREDENTIALS_TOKEN_FILE, ENV_TOKEN_FILE
from webhook.diagnosis.carried import projected_tokens, token_at
from webhook.diagnosis.own_values import SECTIONS, OwnValues, maps

_TOKEN_FILES: Final = (ENV_TOKEN_FILE, ENV_CONTAINER_CREDENTIALS_TOKEN_FILE)


def as_created(pod: Mapping[str, Any], own: OwnValues) -> dict[str, Any]:
    """Returns `pod` without the variables, token volumes and mounts that the webhook may have added.

    `own` says what belongs to the author. A token volume is one with nothing but service account tokens for an audience
    of their own, whatever its name.
    """
    spec = {**pod["spec"]}
    spec.pop("ephemeralContainers", None)
    volumes = {str(volume.get("name")): volume for volume in maps(spec.get("volumes"))}
    removed = {
        name
        for name, volume in volumes.items()
        if name not in own.volumes and _is_token_volume(volume) and (own.is_complete or own.variables)
    }
    for section in SECTIONS:
        for container in maps(spec.get(section)):
            removed |= _volume_of_token(container, own, volumes)
    for section in SECTIONS:
        if section in spec:
            spec[section] = [_container(container, own, removed) for container in maps(spec[section])]
    if removed:
        spec["volumes"] = [volume for name, volume in volumes.items() if name not in removed]
    return {**pod, "spec": spec}


def _is_token_volume(volume: Mapping[str, Any]) -> bool:
    projected = volume.get("projected")
    sources = list(maps(projected.get("sources"))) if isinstance(projected, Mapping) else []
    tokens = projected_tokens(volume)
    return bool(sources) and len(tokens) == len(sources) and all(token.get("audience") for token in tokens)


def _volume_of_token(
    container: Mapping[str, Any], own: OwnValues, volumes: Mapping[str, Mapping[str, Any]]
) -> set[str]:
    """Returns the volume with the token that a container's removable variable points to, unless it is the author's."""
    removable = own.removable(container)
    for variable in maps(container.get("env")):
        if variable.get("name") in removable and variable.get("name") in _TOKEN_FILES:
            path = str(variable.get("value", ""))
            return {
                name
                for name, volume in volumes.items()
                if name not in own.volumes
                and _is_token_volume(volume)
                and token_at(path, container, {name: volume}) is not None
            }
    return set()


def _container(container: Mapping[str, Any], own: OwnValues, volumes: set[str]) -> dict[str, Any]:
    removable = own.removable(container)
    name = str(container.get("name"))
    kept = {
        "env": [variable for variable in maps(container.get("env")) if variable.get("name") not in removable],
        "volumeMounts": [
            mount
            for mount in maps(container.get("volumeMounts"))
            if mount.get("name") not in volumes or (name, str(mount.get("mountPath"))) in own.mounts
        ],
    }
    made = {key: value for key, value in container.items() if key not in kept}
    # The webhook's patch depends on whether a list is there: an empty one was made by it, or is as good as none.
    return made | {key: value for key, value in kept.items() if value}
