"""The kind of a volume. We read it from the volume's JSON, and only if the answer depends on it."""

from typing import Final

import msgspec

# No container can write to these kinds, whatever its mount says.
_READ_ONLY: Final = frozenset({"configMap", "downwardAPI", "image", "projected", "secret"})


class VolumeSource(msgspec.Struct, frozen=True, gc=False):
    """A volume's kind by its name in core/v1 (`emptyDir`), and whether the volume is read-only."""

    kind: str
    is_read_only: bool = False


UNKNOWN: Final = VolumeSource("of another kind")


class _Source(msgspec.Struct, gc=False):
    readOnly: bool | None = None


def source_of(volume: msgspec.Raw) -> VolumeSource:
    """Returns the source of a volume from its JSON (core/v1 Volume)."""
    try:
        members = msgspec.json.decode(volume, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        return UNKNOWN
    for kind, source in members.items():
        if kind != "name" and bytes(source) != b"null":
            return VolumeSource(kind, kind in _READ_ONLY or _says_read_only(source))
    return VolumeSource("of no kind")


def _says_read_only(source: msgspec.Raw) -> bool:
    try:
        return msgspec.json.decode(source, type=_Source).readOnly is True
    except (msgspec.MsgspecError, RecursionError):
        return False
