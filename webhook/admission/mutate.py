"""Builds the operations that add an injection to a pod.

The operations only add missing members; they replace a member only if it is null. A second run on the patched pod adds
nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from webhook.admission import credentials, jsonpatch
from webhook.admission.annotations import ENV_DEFAULT_REGION, ENV_REGION, ENV_STS_REGIONAL_ENDPOINTS
from webhook.admission.injection import Injection
from webhook.admission.mounts import Mounts
from webhook.admission.pod import Container, Pod, Volume
from webhook.admission.shape import has_nothing
from webhook.admission.volume_source import UNKNOWN, VolumeSource, source_of
from webhook.admission.warning import quoted, short


class Mutation(msgspec.Struct, eq=False):
    """The operations that a pod needs, and warnings.

    `operations` holds encoded operations; one item may hold several, separated by commas. `considered` counts the
    containers that are not skipped. `without_credentials` names those that would use no pod identity after the patch,
    neither ours nor their own, each with the reason. `injected`: at least one container uses the credentials that we
    inject, now or in an earlier invocation.
    """

    operations: list[bytes] = []
    warnings: list[str] = []
    considered: int = 0
    injected: bool = False
    without_credentials: list[tuple[str, str]] = []

    @property
    def reason(self) -> Literal["injected", "already_injected", "containers_left_alone", "all_containers_skipped"]:
        """The reason for the decision."""
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
    raw_volumes: Callable[[], Sequence[msgspec.Raw]],
) -> Mutation:
    """Returns the mutation that adds `injection` to `pod`, with a token that lasts `expiration` seconds.

    `is_skipped` tells, by name, whether to skip a container; None skips none. `raw_volumes` returns the JSON of the
    pod's volumes; it is called only if the kind of a volume matters.
    """
    result = Mutation()
    run = _Run(pod, injection, result, raw_volumes)
    for group, containers in (("initContainers", pod.spec.initContainers), ("containers", pod.spec.containers)):
        for index, container in enumerate(containers or ()):
            if is_skipped is not None and is_skipped(container.name):
                continue
            result.considered += 1
            pointer = f"/spec/{group}/{index}"
            if has_nothing(container, injection.volume_name, injection.place):
                run.everything(pointer, container)
                lacks = run.unsuitable
            else:
                lacks = run.container(pointer, container)
            if lacks is not None:
                result.without_credentials.append((container.name, lacks))
    if run.volume_used:
        run.volume(expiration)
    if result.injected and injection.label is not None:
        run.label(*injection.label)
    return result


class _Run:
    """One run over one pod: the state that its containers share."""

    def __init__(
        self,
        pod: Pod,
        injection: Injection,
        result: Mutation,
        raw_volumes: Callable[[], Sequence[msgspec.Raw]],
    ) -> None:
        self._pod = pod
        self._injection = injection
        self._result = result
        self._volumes = {volume.name: index for index, volume in enumerate(pod.spec.volumes or ())}
        self._raw_volumes = raw_volumes
        self._raw: Sequence[msgspec.Raw] | None = None
        # Caches by volume name: each volume is examined once, however many containers mount it.
        self._tokens: dict[str, str | None] = {}
        # Caches the operations of `everything` without the containers' pointers, by which lists the container has.
        self._everything: dict[tuple[bool, bool], list[bytes]] = {}
        self._sources: dict[str, VolumeSource] = {}
        self.unsuitable = self._unsuitable_volume() if injection.volume_name in self._volumes else None
        self.volume_used = False

    def everything(self, pointer: str, container: Container) -> None:
        """Adds the mount and all variables to a container that has nothing of ours."""
        lists = (container.env is not None, container.volumeMounts is not None)
        parts = self._everything.get(lists)
        if parts is None:
            has_env, has_mounts = lists
            mounts = jsonpatch.append("/volumeMounts", [self._injection.mount], exists=has_mounts)
            variables = jsonpatch.append("/env", self._injection.env, exists=has_env)
            parts = self._everything[lists] = (mounts + b"," + variables).split(jsonpatch.BEGINNING)
        self._result.operations.append((jsonpatch.BEGINNING + pointer.encode()).join(parts))
        self._result.injected = self.volume_used = True

    def container(self, pointer: str, container: Container) -> str | None:
        """Adds what one container lacks. Returns why it still has no pod identity, or None if it has one."""
        injection = self._injection
        who = f"container {short(container.name)}"
        env = credentials.environment(container.env or ())
        mounts = Mounts(container.volumeMounts or (), injection.volume_name, injection.place)
        is_preset = any(name in env for name in injection.credentials)
        is_left_alone = False
        if is_preset and ENV_STS_REGIONAL_ENDPOINTS in env and (ENV_REGION in env or ENV_DEFAULT_REGION in env):
            # The container sets all that we would set: add nothing, not even the mount.
            fault = self._token_fault(mounts)
        elif (obstacle := self._obstacle(mounts)) is not None:
            is_left_alone = True
            self._result.warnings.append(f"left alone: {who} {obstacle}")
            fault = obstacle
        else:
            fault = self._mount(pointer, container, mounts, who)
            self._warn_of_regions(env, who)
            variables = injection.env_beside(env)
            if variables:
                self._append(f"{pointer}/env", container.env, variables)
                env.update({entry["name"]: entry.get("value") for entry in variables})

        found = credentials.found(env, injection.credentials, mounts.have)
        if found.whose == "ours":
            self._result.injected = True
            return fault
        if found.whose == "own":
            self._result.warnings.append(f"its own credentials are used: {who} sets {found.why}")
            return None
        if found.whose == "others":
            goes_first = f"{found.why} {'goes' if found.is_certain else 'may go'} first"
            if not is_left_alone:
                self._result.warnings.append(f"{goes_first}, before the injected credentials: {who}")
            return goes_first
        if is_left_alone and not found.why:
            return fault
        self._result.warnings.append(f"no credentials, as {found.why}: {who}")
        return found.why

    def volume(self, expiration: int) -> None:
        """Adds the volume, unless the pod has a volume of that name."""
        if self._injection.volume_name in self._volumes:
            if self.unsuitable is not None:
                self._result.warnings.append(f"no credentials: {self.unsuitable}")
            return
        self._append("/spec/volumes", self._pod.spec.volumes, [self._injection.volume(expiration)])

    def label(self, name: str, value: str) -> None:
        """Adds a label to the pod if it is missing. Keeps an existing value."""
        metadata = self._pod.metadata
        labels = metadata.labels if metadata is not None else None
        if metadata is None:
            self._add("/metadata", {"labels": {name: value}})
        elif labels is None:
            self._add("/metadata/labels", {name: value})
        elif name not in labels:
            self._add(f"/metadata/labels/{jsonpatch.escape(name)}", value)
        elif labels[name] != value:
            self._result.warnings.append(f"label not set: {name} stays {quoted(labels[name])}, not {quoted(value)}")

    def _obstacle(self, mounts: Mounts) -> str | None:
        """Returns why a container cannot get our mount; None if it can, or has our volume or a token there already."""
        path = self._injection.mount_path
        if mounts.same is not None:
            if self._token_in(mounts.same.name) is None:
                return f"mounts volume {short(mounts.same.name)} at {path}"
            return None
        if mounts.ours:
            return None
        if mounts.below is not None:
            # Kubelet does not recognise that this mount is below ours, so one of the two would hide the other.
            return f"mounts volume {short(mounts.below.name)} below {path}, spelled {short(mounts.below.mountPath)}"
        above = mounts.above
        if above is not None and (above.readOnly or self._source(above.name).is_read_only):
            kind = self._source(above.name).kind
            return f"mounts volume {short(above.name)} ({kind}), which is read-only, at {short(above.mountPath)}"
        return None

    def _mount(self, pointer: str, container: Container, mounts: Mounts, who: str) -> str | None:
        """Adds the mount, unless the container mounts our volume or another token. Returns the token's fault, if any.

        Call it only if `_obstacle` returns None.
        """
        injection, warnings = self._injection, self._result.warnings
        if mounts.same is not None:
            audience = self._token_in(mounts.same.name) or ""
            place = f"{who} mounts volume {short(mounts.same.name)} at {injection.mount_path}"
            warnings.append(f"another token is used, for {_audience(audience)}: {place}")
            return self._token_fault(mounts)
        self.volume_used = True
        if mounts.ours == "elsewhere":
            warnings.append(
                f"no token at the path in its variable: {who} mounts {injection.volume_name}"
                f" elsewhere, not at {injection.mount_path}"
            )
        elif not mounts.ours:
            mounts.ours = "here"
            self._append(f"{pointer}/volumeMounts", container.volumeMounts, [injection.mount])
        return self._token_fault(mounts)

    def _token_fault(self, mounts: Mounts) -> str | None:
        """Returns why our token is not where its variable points, or None if it is there."""
        injection = self._injection
        if mounts.same is not None:
            audience = self._token_in(mounts.same.name)
            if audience is None:
                return f"volume {short(mounts.same.name)} is mounted at {injection.mount_path}"
            if audience != injection.audience:
                return f"the token there is for {_audience(audience)}, not for {_audience(injection.audience)}"
            return None
        if mounts.ours != "here":
            return f"{injection.volume_name} is not mounted at {injection.mount_path}"
        if not self.volume_used and injection.volume_name not in self._volumes:
            return f"there is no volume {injection.volume_name}"
        return self.unsuitable

    def _warn_of_regions(self, env: credentials.Environment, who: str) -> None:
        names = [name for name in (ENV_REGION, ENV_DEFAULT_REGION) if name in env]
        is_or_are = "is" if len(names) == 1 else "are"
        adds = any(entry["name"] == ENV_REGION for entry in self._injection.env)
        if adds and names and all(env[name] == "" for name in names):
            self._result.warnings.append(f"no region added, as {' and '.join(names)} {is_or_are} empty: {who}")

    def _append(self, pointer: str, existing: list[Any] | None, items: list[dict[str, Any]]) -> None:
        self._result.operations.append(jsonpatch.append(pointer, items, exists=existing is not None))

    def _add(self, pointer: str, value: Any) -> None:
        self._result.operations.append(jsonpatch.add(pointer, value))

    def _token_in(self, volume_name: str) -> str | None:
        """Returns the audience of the token that a volume projects to our token path, or None if it projects none."""
        if volume_name not in self._tokens:
            volume = self._volume_named(volume_name)
            token = volume.token_at(self._injection.token_path) if volume is not None else None
            self._tokens[volume_name] = None if token is None else token.audience or ""
        return self._tokens[volume_name]

    def _source(self, volume_name: str) -> VolumeSource:
        if volume_name not in self._sources:
            if self._raw is None:
                self._raw = self._raw_volumes()
            index = self._volumes.get(volume_name, len(self._raw))
            self._sources[volume_name] = source_of(self._raw[index]) if index < len(self._raw) else UNKNOWN
        return self._sources[volume_name]

    def _unsuitable_volume(self) -> str | None:
        """Returns what is wrong with the pod's own volume of our name; None if it has none, or a suitable one."""
        ours = self._injection
        volume = self._volume_named(ours.volume_name)
        if volume is None:
            return None
        if volume.projected is None:
            return f"volume {volume.name} is {self._source(volume.name).kind}, not a projected token"
        token = volume.token_at(ours.token_path)
        if token is None:
            return f"volume {volume.name} projects no serviceAccountToken to path {ours.token_path}"
        if token.audience != ours.audience:
            audience = _audience(token.audience or "")
            return f"volume {volume.name} has a token for {audience}, not for {_audience(ours.audience)}"
        return None

    def _volume_named(self, name: str) -> Volume | None:
        index = self._volumes.get(name)
        return None if index is None else (self._pod.spec.volumes or [])[index]


def _audience(name: str) -> str:
    return f"audience {quoted(name)}" if name else "the API server"
