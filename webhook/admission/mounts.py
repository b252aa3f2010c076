"""Compares a container's mounts with ours by the place in its file system, however a path is spelled."""

import posixpath
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from webhook.admission.pod import VolumeMount

# In nearly all images, /run and /var/run are the same folder: treat them so.
_RUN: Final = "/run"
_VAR_RUN: Final = "/var/run"

_MAX_REMEMBERED: Final = 1024
_LONGEST_REMEMBERED: Final = 128


Relation: TypeAlias = Literal["", "same", "above", "below"]


class Place:
    """The place of our mount in a container.

    `beginnings`: the first two characters of every path that may be at, above or below our place. It does not cover
    paths with `..`. None: compare every path in full.
    """

    __slots__ = ("_folder", "_is_windows", "_relations", "_spelled_folder", "beginnings", "path")

    def __init__(self, mount_path: str, *, windows: bool) -> None:
        self._is_windows = windows
        self.path = self.clean(mount_path)
        self._folder = self.path + "/"
        self._spelled_folder = _cleaned_by_kubelet(mount_path) + "/"
        starts = [self.path] + ([_RUN] if self.path.startswith(_VAR_RUN + "/") else [])
        relative = [start.lstrip("/") for start in starts]
        odd = ("", "/", "//", "/.", "./", ".")
        self.beginnings = None if windows else frozenset({*odd, *(start[:2] for start in starts + relative)})
        # Caches the result for each path: most pods have the same few paths.
        self._relations: dict[str, Relation] = {}

    def clean(self, path: str) -> str:
        """Returns a path as the container runtime resolves it: a relative path starts at the root."""
        if self._is_windows:
            path = path.replace("\\", "/")
            return posixpath.normpath("/" + (path[2:] if path[:2].lower() == "c:" else path).lstrip("/")).lower()
        clean = posixpath.normpath("/" + path.lstrip("/"))
        return _VAR_RUN + clean[len(_RUN) :] if clean == _RUN or clean.startswith(_RUN + "/") else clean

    def relation(self, mount_path: str) -> Relation:
        """Returns whether a mount is at our place, above it (ours would lie in it), below it, or elsewhere ("").

        "below" means only a mount that kubelet does not recognise as below ours. If both paths are spelled with the
        same beginning, kubelet creates the mount's folder in our volume (Kubernetes' `getNestedMountpoints`), and
        both mounts work.
        """
        known = self._relations.get(mount_path)
        if known is not None:
            return known
        found = self._relation(mount_path, self.clean(mount_path))
        if len(self._relations) < _MAX_REMEMBERED and len(mount_path) <= _LONGEST_REMEMBERED:
            self._relations[mount_path] = found
        return found

    def _relation(self, mount_path: str, other: str) -> Relation:
        if other == self.path:
            return "same"
        if self._folder.startswith(other if other == "/" else other + "/"):
            return "above"
        is_below = other.startswith(self._folder) and not self._is_windows
        return "below" if is_below and not _cleaned_by_kubelet(mount_path).startswith(self._spelled_folder) else ""

    def is_below(self, path: str, mount_path: str) -> bool:
        """Whether the file `path` lies in the mount at `mount_path`, or is itself the mount point."""
        file, mounted = self.clean(path), self.clean(mount_path)
        return file == mounted or file.startswith(mounted if mounted == "/" else mounted + "/")


def _cleaned_by_kubelet(mount_path: str) -> str:
    """Go's `filepath.Clean`. Unlike Python's normpath, it never keeps two leading slashes."""
    clean = posixpath.normpath(mount_path)
    return clean[1:] if clean.startswith("//") else clean


class Mounts:
    """The mounts of one container, sorted by their relation to ours."""

    def __init__(self, mounts: Sequence[VolumeMount], volume_name: str, place: Place) -> None:
        self._all = mounts
        self._place = place
        # Whether and where the container mounts our volume.
        self.ours: Literal["", "elsewhere", "here"] = ""
        # Mounts of other volumes: the first at our place, the first below it, and the innermost above it.
        self.same: VolumeMount | None = None
        self.below: VolumeMount | None = None
        self.above: VolumeMount | None = None
        for mount in self._all:
            relation = self._place.relation(mount.mountPath)
            if mount.name == volume_name:
                if self.ours != "here":
                    self.ours = "here" if relation == "same" else "elsewhere"
            elif relation == "same":
                self.same = self.same or mount
            elif relation == "below":
                self.below = self.below or mount
            elif relation == "above" and (
                self.above is None
                or len(self._place.clean(mount.mountPath)) > len(self._place.clean(self.above.mountPath))
            ):
                self.above = mount

    def have(self, path: str) -> bool:
        """Whether a path lies in one of these mounts, or in our mount if the container gets it."""
        return any(self._place.is_below(path, mount.mountPath) for mount in self._all) or (
            self.ours == "here" and self._place.is_below(path, self._place.path)
        )
