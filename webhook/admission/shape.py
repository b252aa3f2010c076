"""The shape of a pod: the few facts that decide its patch, if the pod has none of our settings yet.

Nearly all pods of a cluster have one of a few shapes, so `decision.py` caches its decisions by shape (`_on_shape`).
"""

from typing import Final, TypeAlias

from webhook.admission.annotations import READ_VARIABLES, TOKEN_VOLUME_NAME
from webhook.admission.mounts import Place
from webhook.admission.pod import Container, Pod, PodSpec
from webhook.admission.settings import Settings

# For each container: whether it has a list of variables, and whether it has a list of mounts.
_Lists: TypeAlias = tuple[tuple[bool, bool], ...]
# The init containers, the containers, and whether the pod has a list of volumes.
Shape: TypeAlias = tuple[_Lists, _Lists, bool]

# Pods with more containers are rare, and a cache entry grows with the number of containers.
_MOST_CONTAINERS: Final = 8


def shape_of(pod: Pod, settings: Settings) -> Shape | None:
    """Returns the pod's shape if all pods of this shape and one ServiceAccount get the same patch, else None.

    None means: the pod has our annotations, runs on Windows, has more than 8 containers, or has a variable, mount or
    volume that may affect the patch.
    """
    # Hot path: every pod passes through here.
    meta, spec = pod.meta, pod.spec
    if meta.annotations is not None and not settings.annotation_keys.concern_none(meta.annotations):
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
    """Returns a pod of this shape, with empty lists and names."""
    init_containers, containers, has_volumes = shape
    return Pod(PodSpec(_containers(containers), _containers(init_containers), [] if has_volumes else None))


def _containers(lists: _Lists) -> list[Container]:
    return [Container("", [] if has_env else None, [] if has_mounts else None) for has_env, has_mounts in lists]


def has_nothing(container: Container, volume_name: str, place: Place) -> bool:
    """Whether no variable or mount of a container affects our injection. True for nearly all containers."""
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
