"""What decides what a pod gets, of pods that have nothing of ours yet: nearly all pods of a cluster have few shapes."""

from typing import Final, TypeAlias

from webhook.admission.annotations import READ_VARIABLES, TOKEN_VOLUME_NAME
from webhook.admission.mounts import Place
from webhook.admission.pod import Container, Pod, PodSpec
from webhook.admission.settings import Settings

# Of each container: whether it has a list of variables, and one of mounts.
_Lists: TypeAlias = tuple[tuple[bool, bool], ...]
# Those of the init containers and of the containers, and whether the pod has a list of volumes.
Shape: TypeAlias = tuple[_Lists, _Lists, bool]

# Larger pods are rare, and what is kept of a shape grows with them.
_MOST_CONTAINERS: Final = 8


def shape_of(pod: Pod, settings: Settings) -> Shape | None:
    """The shape of a pod that gets what every pod of that shape gets, of one ServiceAccount; None of any other.

    Others have annotations of ours, run on Windows, or have a variable, mount or volume that may matter.
    """
    # Hot path: every pod comes by here.
    meta, spec = pod.meta, pod.spec
    if meta.annotations is not None and not settings.own_keys.concern_none(meta.annotations):
        return None
    init_containers, containers, volumes = spec.initContainers or (), spec.containers or (), spec.volumes
    if not 0 < len(init_containers) + len(containers) <= _MOST_CONTAINERS or pod.is_windows:
        return None
    for volume in volumes or ():
        if volume.name == TOKEN_VOLUME_NAME:
            return None
    lists = []
    for container in (*init_containers, *containers):
        if not has_nothing(container, TOKEN_VOLUME_NAME, settings.token_place):
            return None
        lists.append((container.env is not None, container.volumeMounts is not None))
    count = len(init_containers)
    return tuple(lists[:count]), tuple(lists[count:]), volumes is not None


def pod_of(shape: Shape) -> Pod:
    """A pod of a shape, with empty lists and names."""
    init_containers, containers, has_volumes = shape
    return Pod(PodSpec(_containers(containers), _containers(init_containers), [] if has_volumes else None))


def _containers(lists: _Lists) -> list[Container]:
    return [Container("", [] if has_env else None, [] if has_mounts else None) for has_env, has_mounts in lists]


def has_nothing(container: Container, volume_name: str, place: Place) -> bool:
    """Whether a container has no variable, and no mount, that matters for ours: nearly all have none."""
    for variable in container.env or ():
        if variable.name in READ_VARIABLES:
            return False
    beginnings = place.beginnings
    for mount in container.volumeMounts or ():
        if mount.name == volume_name:
            return False
        path = mount.mountPath
        if (beginnings is None or path[:2] in beginnings or ".." in path) and place.relation(path):
            return False
    return True
