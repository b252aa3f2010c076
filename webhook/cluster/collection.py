"""A collection of the Kubernetes API, the part of its objects that we read, and the protocols that receive them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from webhook.cluster.resource import Resource

# The API server accepts at most 256 KiB of annotations; ordinary objects have some hundred bytes.
_MAX_OBJECT: Final = 256 * 1024


class ObjectMeta(msgspec.Struct, gc=False):
    """The part of every object's metadata that we read."""

    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""


class PartialObject(msgspec.Struct, gc=False):
    """An object of which we read only the metadata."""

    metadata: ObjectMeta


T = TypeVar("T", bound=PartialObject)
T_contra = TypeVar("T_contra", bound=PartialObject, contravariant=True)


class Listing(Protocol[T_contra]):
    """A new state, built page by page while the old one stays in use."""

    def add(self, items: Sequence[T_contra]) -> None:
        """Takes the objects of one page."""

    def skip(self, meta: ObjectMeta, size: int) -> None:
        """Takes note of an object that the list skips: its JSON has `size` bytes, more than the collection allows."""

    def commit(self) -> None:
        """Replaces the old state with the new one in one step: the list is complete."""


class Sink(Protocol[T_contra]):
    """Receives the objects of a collection."""

    def begin(self) -> Listing[T_contra]:
        """Starts a list. It has no effect unless its `commit` is called."""

    def put(self, item: T_contra) -> None:
        """Takes an object that was added or changed."""

    def skip(self, meta: ObjectMeta, size: int) -> None:
        """Takes note of an object that was added or changed and is too large: its earlier state is outdated."""

    def delete(self, meta: ObjectMeta) -> None:
        """Removes an object that was deleted."""


@dataclass(frozen=True, slots=True)
class Collection(Generic[T]):
    """The collection to follow; `item` is the type of its objects, with the members that we read.

    Objects with more than `max_object` bytes of JSON are skipped, so that their authors cannot use up our memory and
    time.
    """

    resource: Resource
    item: type[T]
    list_accept: str
    watch_accept: str
    field_selector: str = ""
    max_object: int = _MAX_OBJECT
