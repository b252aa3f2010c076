"""Calls back when one object changes. We watch only its metadata, so its content (such as keys) never gets here."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from webhook.cluster.client import KubernetesClient
from webhook.cluster.collection import Collection, ObjectMeta, PartialObject
from webhook.cluster.resource import METADATA, METADATA_LIST, Resource
from webhook.cluster.watch import Pace, Watch


def watch_object(
    client: KubernetesClient, resource: Resource, changed: Callable[[], None], pace: Pace | None = None
) -> Watch[PartialObject]:
    """Returns a watch of the object `resource` that calls `changed` whenever the object changes; the caller runs it.

    It also calls `changed` after each list, because it may have missed changes. It needs the verbs `list` and `watch`.
    """
    selector = f"metadata.name={resource.name}"
    collection = Collection(replace(resource, name=""), PartialObject, METADATA_LIST, METADATA, selector)
    return Watch(client, collection, _Waker(changed), pace)


class _Waker:
    """The sink and the listing of a watch; it stores nothing."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def begin(self) -> "_Waker":
        return self

    def add(self, items: Sequence[PartialObject]) -> None:
        """Ignores the objects: the callback reads them itself."""

    def commit(self) -> None:
        self._changed()

    def put(self, item: PartialObject) -> None:  # noqa: ARG002 - there is only one object
        self._changed()

    def skip(self, meta: ObjectMeta, size: int) -> None:  # noqa: ARG002 - as above
        self._changed()

    def delete(self, meta: ObjectMeta) -> None:  # noqa: ARG002 - as above
        self._changed()
