"""What a pod lacks: the operations that add an injection to it, and nothing else.

Only ever adds, by JSON Pointer, what is missing: no member that exists is replaced, unless it is null. A second run on
the patched pod adds nothing.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import msgspec

from webhook.admission import jsonpatch
from webhook.admission.annotations import ENV_DEFAULT_REGION, ENV_REGION, ENV_STS_REGIONAL_ENDPOINTS, OUR_VARIABLES
from webhook.admission.injection import Injection, additions, appended, volume_addition
from webhook.admission.pod import Container, Pod, PodSpec, Volume, same_mount_path
from webhook.admission.warning import quoted

# Of each container: whether it has a list of variables, and one of mounts.
_Lists: TypeAlias = tuple[tuple[bool, bool], ...]
# Those of the init containers and of the containers, and whether the pod has a list of volumes.
_Shape: TypeAlias = tuple[_Lists, _Lists, bool]

# With more containers, mutations are not kept: whoever may create pods must not fill our memory.
_FEW_CONTAINERS: Final = 16


class Mutation(msgspec.Struct, eq=False):
    """The operations that a pod needs, encoded, with warnings.

    `considered` counts the containers that were not skipped; `lacking` names those of them that have no credentials
    once patched, neither ours nor their own. `injected` says whether any uses what we inject, now or from an earlier
    invocation. `is_shared`: all pods that get the same have this very one.
    """

    operations: list[bytes] = []
    warnings: list[str] = []
    considered: int = 0
    injected: bool = False
    lacking: list[str] = []
    is_shared: bool = False

    @property
    def reason(self) -> Literal["injected", "already_injected", "containers_left_alone", "all_containers_skipped"]:
        """Why the patch is what it is."""
        if self.operations:
            return "injected"
        if not self.considered:
            return "all_containers_skipped"
        return "already_injected" if self.injected else "containers_left_alone"


def mutate(
    pod: Pod,
    injection: Injection,
    expiration: int,
    *,
    is_skipped: Callable[[str], bool] | None,
    volume_kind: Callable[[int], str],
) -> Mutation:
    """The mutation that gives `pod` what `injection` says, with a token that lives for `expiration` seconds.

    `is_skipped` says of a container's name whether it is left alone (None: none is); `volume_kind` names the kind of
    the volume at an index (`emptyDir`), asked only where a warning needs it.
    """
    if is_skipped is None:
        shape = _plain_shape(pod.spec, injection)
        if shape is not None:
            return _plain_mutation(injection, expiration, shape)
    result = Mutation()
    run = _Run(pod, injection, result, volume_kind)
    for group, containers in (("initContainers", pod.spec.initContainers), ("containers", pod.spec.containers)):
        for index, container in enumerate(containers or ()):
            if is_skipped is not None and is_skipped(container.name):
                continue
            result.considered += 1
            pointer = f"/spec/{group}/{index}"
            if _has_nothing_of_ours(container, injection):
                has_env, has_mounts = container.env is not None, container.volumeMounts is not None
                result.operations += additions(injection, pointer, has_env, has_mounts)
                result.injected = run.volume_used = True
                has_credentials = run.unsuitable is None
            else:
                has_credentials = run.container(pointer, container)
            if not has_credentials:
                result.lacking.append(container.name)
    if run.volume_used:
        run.volume(expiration)
    if result.injected and injection.label is not None:
        run.label(*injection.label)
    return result


def _plain_shape(spec: PodSpec, injection: Injection) -> _Shape | None:
    """The shape of a pod that gets what every pod of that shape gets, as nearly all do; None for others."""
    init_containers, containers, volumes = spec.initContainers or (), spec.containers or (), spec.volumes
    if not 0 < len(init_containers) + len(containers) <= _FEW_CONTAINERS:
        return None
    if injection.label is not None or not injection.is_shared:
        return None
    for volume in volumes or ():
        if volume.name == injection.volume_name:
            return None
    lists = []
    for container in (*init_containers, *containers):
        if not _has_nothing_of_ours(container, injection):
            return None
        lists.append((container.env is not None, container.volumeMounts is not None))
    count = len(init_containers)
    return tuple(lists[:count]), tuple(lists[count:]), volumes is not None


# Shared by all pods that get the same: never changed.
@lru_cache(maxsize=1024)
def _plain_mutation(injection: Injection, expiration: int, shape: _Shape) -> Mutation:
    init_containers, containers, has_volumes = shape
    operations: list[bytes] = []
    for group, lists in (("initContainers", init_containers), ("containers", containers)):
        for index, (has_env, has_mounts) in enumerate(lists):
            operations += additions(injection, f"/spec/{group}/{index}", has_env, has_mounts)
    operations += volume_addition(injection, expiration, has_volumes)
    considered = len(init_containers) + len(containers)
    return Mutation(operations, considered=considered, injected=True, is_shared=True)


def _has_nothing_of_ours(container: Container, injection: Injection) -> bool:
    """Whether a container can get everything without a closer look, as nearly all can."""
    for variable in container.env or ():
        if variable.name in OUR_VARIABLES:
            return False
    name, path, folder = injection.volume_name, injection.clean_mount_path, injection.mount_folder
    for mount in container.volumeMounts or ():
        if mount.name == name:
            return False
        # However a path is spelled that means ours, the name of our folder is in it.
        if (injection.windows or folder in mount.mountPath) and same_mount_path(
            mount.mountPath, path, windows=injection.windows
        ):
            return False
    return True


class _Run:
    """One run over one pod: what the containers' parts share."""

    def __init__(
        self,
        pod: Pod,
        injection: Injection,
        result: Mutation,
        volume_kind: Callable[[int], str],
    ) -> None:
        self._pod = pod
        self._injection = injection
        self._result = result
        self._volumes = {volume.name: index for index, volume in enumerate(pod.spec.volumes or ())}
        self._volume_kind = volume_kind
        # What was found out of the volumes that were asked about: each is looked at once, however many mount it.
        self._tokens: dict[str, str | None] = {}
        self.unsuitable = self._unsuitable_volume() if injection.volume_name in self._volumes else None
        self.volume_used = False

    def container(self, pointer: str, container: Container) -> bool:
        """Adds what one container lacks; says whether it then has credentials, ours or its own."""
        injection = self._injection
        env = {variable.name: variable.value for variable in container.env or () if variable.name in OUR_VARIABLES}
        ours, own_credentials = True, False
        if env:
            preset = [name for name in injection.credentials if name in env]
            ours = not preset or all(env.get(name) == value for name, value in injection.credentials.items())
            own_credentials = len(preset) == 2 and not ours
            if not ours:
                self._warn_preset(container.name, preset)
            if preset and ENV_STS_REGIONAL_ENDPOINTS in env and (ENV_REGION in env or ENV_DEFAULT_REGION in env):
                # It has all that we could set: left wholly alone, the mount included.
                self._result.injected |= ours
                return own_credentials or (ours and self._token_reachable(container))

        mounted, foreign = self._mounts(container)
        if foreign is None:
            reachable = self._add_mount(pointer, container, mounted)
        else:
            where = f"container {container.name}: volume {foreign} is mounted at {injection.mount_path}"
            token = self._token_in(foreign)
            if token is None:
                self._result.warnings.append(f"{where}: left alone")
                return own_credentials
            self._result.warnings.append(f"{where}: its token is used")
            reachable = token == injection.audience

        variables = injection.env_beside(env)
        if variables:
            self._append(f"{pointer}/env", container.env, variables)
        self._result.injected |= ours
        return own_credentials or (ours and reachable)

    def volume(self, expiration: int) -> None:
        """Adds the volume, unless the pod has one of that name."""
        if self._injection.volume_name in self._volumes:
            if self.unsuitable is not None:
                self._result.warnings.append(self.unsuitable)
            return
        self._result.operations += volume_addition(self._injection, expiration, self._pod.spec.volumes is not None)

    def label(self, name: str, value: str) -> None:
        """Adds a label to the pod, unless it is there; a foreign value stays."""
        metadata = self._pod.metadata
        labels = metadata.labels if metadata is not None else None
        if metadata is None:
            self._add("/metadata", {"labels": {name: value}})
        elif labels is None:
            self._add("/metadata/labels", {name: value})
        elif name not in labels:
            self._add(f"/metadata/labels/{jsonpatch.escape(name)}", value)
        elif labels[name] != value:
            self._result.warnings.append(f"Pod label {name} stays {quoted(labels[name])}: it is not {quoted(value)}")

    def _add_mount(self, pointer: str, container: Container, mounted: str) -> bool:
        """Adds the mount, unless one of our volume is there; says whether the token is where its variable points."""
        self.volume_used = True
        if not mounted:
            self._append(f"{pointer}/volumeMounts", container.volumeMounts, [self._injection.mount])
        elif mounted == "elsewhere":
            name, path = self._injection.volume_name, self._injection.mount_path
            self._result.warnings.append(f"container {container.name}: mounts {name} elsewhere than at {path}")
            return False
        return self.unsuitable is None

    def _append(self, pointer: str, existing: list[Any] | None, items: list[dict[str, Any]]) -> None:
        self._result.operations += appended(pointer, items, existing is not None)

    def _add(self, pointer: str, value: Any) -> None:
        self._result.operations.append(jsonpatch.add(pointer, value))

    def _warn_preset(self, container: str, preset: list[str]) -> None:
        missing = [name for name in self._injection.credentials if name not in preset]
        lacks = f", not {missing[0]}" if missing else ""
        self._result.warnings.append(f"container {container}: sets {' and '.join(preset)} itself{lacks}")

    def _mounts(self, container: Container) -> tuple[Literal["", "elsewhere", "here"], str | None]:
        """Where the container mounts our volume, and the name of another that it mounts where ours belongs."""
        ours = self._injection
        mounted: Literal["", "elsewhere", "here"] = ""
        for mount in container.volumeMounts or ():
            is_here = same_mount_path(mount.mountPath, ours.clean_mount_path, windows=ours.windows)
            if mount.name != ours.volume_name:
                if is_here:
                    return mounted, mount.name
            elif mounted != "here":
                mounted = "here" if is_here else "elsewhere"
        return mounted, None

    def _token_reachable(self, container: Container) -> bool:
        """Whether a container that is left alone finds our token at the path that its variable names."""
        mounted, foreign = self._mounts(container)
        if foreign is not None:
            return self._token_in(foreign) == self._injection.audience
        return mounted == "here" and self._injection.volume_name in self._volumes and self.unsuitable is None

    def _token_in(self, volume_name: str) -> str | None:
        """The audience of the token that a volume projects to our token path; None where it does not."""
        if volume_name not in self._tokens:
            volume = self._volume_named(volume_name)
            token = volume.token_at(self._injection.token_path) if volume is not None else None
            self._tokens[volume_name] = None if token is None else token.audience or ""
        return self._tokens[volume_name]

    def _unsuitable_volume(self) -> str | None:
        """What is wrong with the pod's own volume of our name; None where there is none or it will do."""
        ours = self._injection
        volume = self._volume_named(ours.volume_name)
        if volume is None:
            return None
        if volume.projected is None:
            kind = self._volume_kind(self._volumes[ours.volume_name])
            return f"volume {volume.name} is {kind}, not a projected token: no credentials in it"
        token = volume.token_at(ours.token_path)
        if token is None:
            return f"volume {volume.name} projects no serviceAccountToken to path {ours.token_path}"
        if token.audience != ours.audience:
            return f"volume {volume.name} has a token for {quoted(token.audience or '')}, not {quoted(ours.audience)}"
        return None

    def _volume_named(self, name: str) -> Volume | None:
        index = self._volumes.get(name)
        return None if index is None else (self._pod.spec.volumes or [])[index]
