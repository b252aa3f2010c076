"""Where mounts are in a container, whatever their paths are spelled like, and what they have to do with ours."""

import posixpath
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from webhook.admission.pod import VolumeMount

# Few images have a /run that is another folder than /var/run.
_RUN: Final = "/run"
_VAR_RUN: Final = "/var/run"

_MAX_REMEMBERED: Final = 1024
_LONGEST_REMEMBERED: Final = 128


Relation: TypeAlias = Literal["", "same", "above", "below"]


class Place:
    """The place of our mount.

    `beginnings`: what the paths of mounts that have to do with it start with, two characters, unless they have `..` in
    them; None where every path needs a closer look.
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
        # Of the paths that come with pod after pod.
        self._relations: dict[str, Relation] = {}

    def clean(self, path: str) -> str:
        """A path in a container as the runtime takes it: a relative one starts at the root."""
        if self._is_windows:
            path = path.replace("\\", "/")
            return posixpath.normpath("/" + (path[2:] if path[:2].lower() == "c:" else path).lstrip("/")).lower()
        clean = posixpath.normpath("/" + path.lstrip("/"))
        return _VAR_RUN + clean[len(_RUN) :] if clean == _RUN or clean.startswith(_RUN + "/") else clean

    def relation(self, mount_path: str) -> Relation:
        """Whether a mount is at our place, above it (ours would lie in it), below it, or elsewhere.

        Below counts only what kubelet does not see to be below: it makes the folders of others in our volume, if their
        paths begin alike (Kubernetes' `getNestedMountpoints`).
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
        """Whether the file `path` lies in the mount at `mount_path`, or is itself what is mounted there."""
        file, mounted = self.clean(path), self.clean(mount_path)
        return file == mounted or file.startswith(mounted if mounted == "/" else mounted + "/")


def _cleaned_by_kubelet(mount_path: str) -> str:
    """Go's `filepath.Clean`, which unlike Python's leaves no two slashes at the start."""
    clean = posixpath.normpath(mount_path)
    return clean[1:] if clean.startswith("//") else clean


class Mounts:
    """What the mounts of one container have to do with ours."""

    def __init__(self, mounts: Sequence[VolumeMount], volume_name: str, place: Place) -> None:
        self._all = mounts
        self._place = place
        # Where the container mounts our volume.
        self.ours: Literal["", "elsewhere", "here"] = ""
        # Mounts of other volumes: at our place, in it, and the innermost around it.
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
        """Whether a path lies in one of them, or in ours, which is added where there is room for it."""
        return any(self._place.is_below(path, mount.mountPath) for mount in self._all) or (
            self.ours == "here" and self._place.is_below(path, self._place.path)
        )
