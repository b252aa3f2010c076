"""Being woken when one object changes: only its metadata is watched, so nothing of what it holds comes here."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from webhook.cluster.client import KubernetesClient
from webhook.cluster.collection import Collection, ObjectMeta, PartialObject
from webhook.cluster.resource import METADATA, METADATA_LIST, Resource
from webhook.cluster.watch import Pace, Watch


def watch_object(
    client: KubernetesClient, resource: Resource, changed: Callable[[], None], pace: Pace | None = None
) -> Watch[PartialObject]:
    """A watch of the one object `resource`, to be run, that calls `changed` whenever the object is another one.

    It is also called after each list: what happened before it is not known. It needs `list` and `watch`.
    """
    selector = f"metadata.name={resource.name}"
    collection = Collection(replace(resource, name=""), PartialObject, METADATA_LIST, METADATA, selector)
    return Watch(client, collection, _Waker(changed), pace)


class _Waker:
    """The sink of a watch, and its own listing: it keeps nothing."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def begin(self) -> "_Waker":
        return self

    def add(self, items: Sequence[PartialObject]) -> None:
        """What a list has is read by who is woken."""

    def commit(self) -> None:
        self._changed()

    def put(self, item: PartialObject) -> None:  # noqa: ARG002 - there is one
        self._changed()

    def skip(self, meta: ObjectMeta, size: int) -> None:  # noqa: ARG002 - as above; its size is for who reads it
        self._changed()

    def delete(self, meta: ObjectMeta) -> None:  # noqa: ARG002 - as above
        self._changed()
