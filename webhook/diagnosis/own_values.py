"""What the author of a pod set, as far as we know it: the rest of a running pod may be the webhook's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from webhook.admission.annotations import (
    ENV_CONTAINER_CREDENTIALS_TOKEN_FILE,
    ENV_CONTAINER_CREDENTIALS_URI,
    ENV_ROLE_ARN,
    ENV_ROLE_SESSION_NAME,
    ENV_TOKEN_FILE,
    OUR_VARIABLES,
)

_PAIRS: Final = ((ENV_ROLE_ARN, ENV_TOKEN_FILE), (ENV_CONTAINER_CREDENTIALS_URI, ENV_CONTAINER_CREDENTIALS_TOKEN_FILE))
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
SECTIONS: Final = ("initContainers", "containers")


@dataclass(frozen=True, slots=True)
class OwnValues:
    """The variables of ours that the author set, by container, and the names of the author's volumes.

    `mounts` has the author's mounts, by container and path: one may name the volume that the webhook adds. For
    containers that are not in `variables`: if `is_complete`, the author set nothing; else we cannot tell.
    """

    variables: Mapping[str, frozenset[str]] = field(default_factory=dict)
    volumes: frozenset[str] = frozenset()
    mounts: frozenset[tuple[str, str]] = frozenset()
    is_complete: bool = False

    def removable(self, container: Mapping[str, Any]) -> frozenset[str]:
        """Returns the variables of a container that the webhook may have added.

        If we cannot tell who set them, only whole credentials count, with their session name: a region of the author's
        own is common, a whole web identity of the author's own is not.
        """
        names = {str(variable.get("name")) for variable in maps(container.get("env"))}
        own = self.variables.get(str(container.get("name")))
        if own is not None or self.is_complete:
            return frozenset(names & OUR_VARIABLES) - (own or frozenset())
        whole = [pair for pair in _PAIRS if names.issuperset(pair)]
        return frozenset(name for pair in whole for name in (*pair, ENV_ROLE_SESSION_NAME) if name in names)


# Assumes that all is the webhook's: if a pod is fine under this assumption, nobody has to read its owner.
ALL_OURS: Final = OwnValues(is_complete=True)
# Nobody knows who set what.
UNKNOWN: Final = OwnValues()


def own_values(template: Mapping[str, Any]) -> OwnValues:
    """Returns what a pod template (or another object with a pod's `spec`) sets itself."""
    spec = template.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    variables = {
        str(container.get("name")): frozenset(
            name for variable in maps(container.get("env")) if (name := str(variable.get("name"))) in OUR_VARIABLES
        )
        for section in SECTIONS
        for container in maps(spec.get(section))
    }
    mounts = frozenset(
        (str(container.get("name")), str(mount.get("mountPath")))
        for section in SECTIONS
        for container in maps(spec.get(section))
        for mount in maps(container.get("volumeMounts"))
    )
    return OwnValues(variables, frozenset(str(volume.get("name")) for volume in maps(spec.get("volumes"))), mounts)


def own_values_applied(annotations: Mapping[str, str]) -> OwnValues:
    """Returns what the manifest that `kubectl apply` recorded in a pod's annotations sets."""
    try:
        return own_values(msgspec.json.decode(annotations.get(_LAST_APPLIED, ""), type=dict[str, Any]))
    except (msgspec.MsgspecError, RecursionError):
        return UNKNOWN


def maps(value: object) -> Iterator[Mapping[str, Any]]:
    """Yields the objects in a list; none if it is no list."""
    return (item for item in (value if isinstance(value, list) else ()) if isinstance(item, Mapping))
