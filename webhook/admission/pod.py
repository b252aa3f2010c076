"""The part of a Pod that admission reads (core/v1 names). What is not here passes through unseen.

msgspec skips unknown members without building them: most of a pod is never turned into Python objects.
"""

import posixpath

import msgspec

from webhook.admission.annotations import WINDOWS_NODE_SELECTORS


class _Wire(msgspec.Struct, gc=False, frozen=True):
    """Wire types hold no cycles, so the collector need not track them."""


class EnvVar(_Wire, frozen=True, gc=False):
    """An environment variable; `value` is None where it comes from elsewhere (`valueFrom`)."""

    name: str
    value: str | None = None


class VolumeMount(_Wire, frozen=True, gc=False):
    """A volume mount of a container."""

    name: str
    mountPath: str = ""


class Container(_Wire, frozen=True, gc=False):
    """A container or init container."""

    name: str
    env: list[EnvVar] | None = None
    volumeMounts: list[VolumeMount] | None = None


class ServiceAccountTokenProjection(_Wire, frozen=True, gc=False):
    """A token source of a projected volume; without `audience` the token is for the API server."""

    path: str | None = None
    audience: str | None = None


class VolumeProjection(_Wire, frozen=True, gc=False):
    """A source of a projected volume."""

    serviceAccountToken: ServiceAccountTokenProjection | None = None


class ProjectedVolumeSource(_Wire, frozen=True, gc=False):
    """The source of a projected volume."""

    sources: list[VolumeProjection] | None = None


class Volume(_Wire, frozen=True, gc=False):
    """A volume; kinds other than `projected` are not read."""

    name: str
    projected: ProjectedVolumeSource | None = None

    def token_at(self, path: str) -> ServiceAccountTokenProjection | None:
        """The service account token that this volume projects to `path`, if it does."""
        for source in (self.projected.sources or ()) if self.projected else ():
            if source.serviceAccountToken is not None and source.serviceAccountToken.path == path:
                return source.serviceAccountToken
        return None


class PodOS(_Wire, frozen=True, gc=False):
    """`spec.os`."""

    name: str | None = None


class PodSpec(_Wire, frozen=True, gc=False):
    """The pod's specification."""

    containers: list[Container] | None = None
    initContainers: list[Container] | None = None
    volumes: list[Volume] | None = None
    serviceAccountName: str | None = None
    serviceAccount: str | None = None
    nodeSelector: dict[str, str] | None = None
    os: PodOS | None = None


class ObjectMeta(_Wire, frozen=True, gc=False):
    """The pod's metadata; the name is absent where the API server will generate it."""

    name: str | None = None
    generateName: str | None = None
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


NO_METADATA = ObjectMeta()


class Pod(_Wire, frozen=True, gc=False):
    """A Pod, as far as admission reads it."""

    spec: PodSpec
    metadata: ObjectMeta | None = None
    kind: str | None = None

    @property
    def meta(self) -> ObjectMeta:
        """The metadata, or an empty one where the object has none."""
        return self.metadata or NO_METADATA

    @property
    def service_account_name(self) -> str:
        """The ServiceAccount that the pod runs as: the deprecated field counts where the new one is empty."""
        return self.spec.serviceAccountName or self.spec.serviceAccount or "default"

    @property
    def is_windows(self) -> bool:
        """Whether the pod asks for a Windows node."""
        if self.spec.os is not None and self.spec.os.name == "windows":
            return True
        selector = self.spec.nodeSelector
        return selector is not None and any(selector.get(key) == "windows" for key in WINDOWS_NODE_SELECTORS)


def same_mount_path(mount_path: str, ours: str, *, windows: bool) -> bool:
    """Whether two mount paths are one place in the container, spelling aside (`ours` is a clean POSIX path)."""
    if mount_path == ours:
        return True
    # To clean a path takes longer than all the rest, and makes it no longer, but for the slash that it starts with.
    if len(mount_path) + 1 < len(ours):
        return False
    if windows:
        slashed = mount_path.replace("\\", "/")
        slashed = slashed[2:] if slashed[:2].lower() == "c:" else slashed
        return _clean(slashed).lower() == _clean(ours).lower()
    # Nearly every path is clean, and then it is another one.
    is_clean = mount_path[:1] == "/" and "//" not in mount_path and "/." not in mount_path and mount_path[-1] != "/"
    return not is_clean and _clean(mount_path) == _clean(ours)


def _clean(path: str) -> str:
    """A mount path as the kubelet takes it: a relative one starts at the root."""
    return posixpath.normpath("/" + path.lstrip("/"))
