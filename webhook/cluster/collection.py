"""A collection of the Kubernetes API as we follow it, what we read of its objects, and who wants to know them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from webhook.cluster.resource import Resource

# Annotations have 256 KiB at most, and those of honest objects some hundred bytes.
_MAX_OBJECT: Final = 256 * 1024


class ObjectMeta(msgspec.Struct, gc=False):
    """What we read of any object's metadata."""

    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""


class PartialObject(msgspec.Struct, gc=False):
    """An object's metadata, and nothing else of it."""

    metadata: ObjectMeta


T = TypeVar("T", bound=PartialObject)
T_contra = TypeVar("T_contra", bound=PartialObject, contravariant=True)


class Listing(Protocol[T_contra]):
    """A new state, made page by page while the old one serves."""

    def add(self, items: Sequence[T_contra]) -> None:
        """Takes objects, all of a page at most."""

    def skip(self, meta: ObjectMeta, size: int) -> None:
        """There is an object that is not taken: it has `size` bytes of JSON, more than its collection allows."""

    def commit(self) -> None:
        """The list is whole: the new state takes the place of the old one at once."""


class Sink(Protocol[T_contra]):
    """Who wants to know the objects of a collection."""

    def begin(self) -> Listing[T_contra]:
        """A list starts. It is forgotten unless it is committed."""

    def put(self, item: T_contra) -> None:
        """An object was added or changed."""

    def skip(self, meta: ObjectMeta, size: int) -> None:
        """An object was added or changed and is too large now: what was known of it does not hold any more."""

    def delete(self, meta: ObjectMeta) -> None:
        """An object was deleted."""


@dataclass(frozen=True, slots=True)
class Collection(Generic[T]):
    """What to follow: `item` is the type of its objects as far as they are read.

    An object of more than `max_object` bytes of JSON is skipped, so that its author cannot take our memory and time.
    """

    resource: Resource
    item: type[T]
    list_accept: str
    watch_accept: str
    field_selector: str = ""
    max_object: int = _MAX_OBJECT
