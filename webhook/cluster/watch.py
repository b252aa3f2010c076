"""Lists a collection in pages, then watches it until cancelled, as the Kubernetes API's concepts describe.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final, Generic

import msgspec

from webhook.cluster.api_errors import ApiError, ClusterError, Expired, MalformedAnswer, TimedOut, Unreachable
from webhook.cluster.backoff import Backoff
from webhook.cluster.collection import Collection, Sink, T
from webhook.cluster.lines import LongLine, lines
from webhook.cluster.pages import PageReader
from webhook.cluster.status import Status, status_error

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient

# The reasons to start a watch or list again; "ended" means that the API server's own time limit ended the watch.
REASONS: Final = ("ended", "cut", "silent", "expired", "throttled", "denied", "refused", "malformed", "bug")

_MAX_RETRY_AFTER: Final = 300.0

logger = logging.getLogger(__name__)


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Page size, time limits and pauses; times are in seconds.

    `silence` must be longer than the interval of the API server's bookmarks, which is at most 75 seconds.
    """

    page_size: int = 250
    watch_between: tuple[int, int] = (300, 600)
    deadline_beyond: float = 15.0
    silence: float = 100.0
    first_delay: float = 0.5
    max_delay: float = 15.0


class Watch(Generic[T]):
    """Follows a collection until `run` is cancelled; it tries again after every failure.

    `restarts` counts restarts by reason. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        client: "KubernetesClient",
        collection: Collection[T],
        sink: Sink[T],
        pace: Pace | None = None,
        *,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._collection = collection
        self._sink = sink
        self._pace = pace or Pace()
        self._clock = clock
        self._sleep = sleep
        self._pages = PageReader(client, collection)
        self._events = msgspec.json.Decoder(_Event)
        self._objects = msgspec.json.Decoder(collection.item)
        self._backoff = Backoff(self._pace.first_delay, self._pace.max_delay)
        self._page_size = self._pace.page_size
        self._version = ""
        self._opened_at: float | None = None
        self._heard_at: float | None = None
        self._has_progressed = False
        self._has_listed_at_once = False
        self._synced = asyncio.Event()
        self.restarts: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        self.lists = 0
        self.events = 0

    @property
    def is_synced(self) -> bool:
        """Whether the first list is complete."""
        return self._synced.is_set()

    @property
    def age(self) -> float | None:
        """Seconds since our state last matched the API server's, as far as we know; None before the first list."""
        return None if self._heard_at is None else self._clock() - self._heard_at

    async def wait_synced(self) -> None:
        """Waits until the first list is complete."""
        await self._synced.wait()

    async def run(self) -> None:
        """Follows the collection; never returns."""
        while True:
            delay = await self._once()
            if delay:
                await self._sleep(delay)

    async def _once(self) -> float:
        """Lists if needed, then watches until the watch ends. Returns the seconds to wait before the next call."""
        self._opened_at = None
        self._has_progressed = False
        try:
            if not self._version:
                await self._list()
            await self._follow()
        except ClusterError as error:
            return self._failed(error)
        except Exception:
            logger.exception("%s: the watch failed because of a bug", self._collection.resource)
            self.restarts["bug"] += 1
            self._version = ""
            return self._backoff.next()
        self.restarts["ended"] += 1
        self._heard_at = self._clock()
        if self._has_progressed:
            self._start_over()
            return 0
        # If a proxy closes each watch at once, we must not flood it with requests.
        return self._backoff.next()

    def _failed(self, error: ClusterError) -> float:
        reason = _reason(error)
        self.restarts[reason] += 1
        if reason in {"expired", "malformed", "refused"}:
            # The resourceVersion itself may be the cause: list again.
            self._version = ""
        lasted = self._clock() - self._opened_at if self._opened_at is not None else 0
        if self._has_progressed or lasted > self._pace.max_delay:
            self._start_over()
        if isinstance(error, Expired) and not self._has_listed_at_once:
            # The API server is available again and our state is old: list once without waiting.
            self._has_listed_at_once = True
            delay = 0.0
        else:
            delay = self._backoff.next()
        if isinstance(error, ApiError):
            delay = max(delay, min(error.retry_after, _MAX_RETRY_AFTER))
        logger.warning("%s; retrying in %.1f s", error, delay)
        return delay

    def _start_over(self) -> None:
        """Resets the backoff after progress."""
        self._backoff.reset()
        self._has_listed_at_once = False

    async def _list(self) -> None:
        started = self._clock()
        listing = self._sink.begin()
        try:
            version = await self._pages.read_into(listing, self._page_size)
        except Expired:
            # The API server discards a list's snapshot after minutes. If the list takes longer, request larger pages.
            self._page_size *= 4
            raise
        listing.commit()
        # All pages show the state at the time of the first request.
        self._heard_at = started
        self._version = version
        self._page_size = self._pace.page_size
        self.lists += 1
        logger.info("%s: listed in %.2f s", self._collection.resource, self._clock() - started)
        self._synced.set()

    async def _follow(self) -> None:
        seconds = random.randint(*self._pace.watch_between)  # noqa: S311 - it spreads load
        params = {
            "watch": "1",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        if self._collection.field_selector:
            params["fieldSelector"] = self._collection.field_selector
        async with self._client.stream(
            self._collection.resource,
            params,
            self._collection.watch_accept,
            seconds=seconds + self._pace.deadline_beyond,
            silence=self._pace.silence,
        ) as chunks:
            self._opened_at = self._heard_at = self._clock()
            async for line in lines(chunks, self._collection.max_object):
                try:
                    self._take(line)
                except msgspec.MsgspecError as error:
                    raise MalformedAnswer(f"watch {self._collection.resource}: {error}") from error

    def _take(self, line: bytes | LongLine) -> None:
        version = self._pass_over(line) if isinstance(line, LongLine) else self._apply(line)
        if version is None:
            return
        self._version = version or self._version
        self._heard_at = self._clock()
        self._has_progressed = True
        self.events += 1

    def _apply(self, line: bytes) -> str | None:
        """Applies an event. Returns the resourceVersion to continue from; None if the event's type is unknown."""
        event = self._events.decode(line)
        if event.type == "ERROR":
            status = msgspec.json.decode(event.object, type=Status)
            raise status_error(status, f"watch {self._collection.resource}")
        if event.type not in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"}:
            return None
        item = self._objects.decode(event.object)
        if event.type == "DELETED":
            self._sink.delete(item.metadata)
        elif event.type != "BOOKMARK":
            self._sink.put(item)
        return item.metadata.resourceVersion

    def _pass_over(self, line: LongLine) -> str:
        """Handles an event whose object is too large. Returns the resourceVersion to continue from."""
        event = line.event()
        if event.type == "DELETED":
            self._sink.delete(event.meta)
        elif event.type in {"ADDED", "MODIFIED"}:
            self._sink.skip(event.meta, line.size)
        return event.meta.resourceVersion


def _reason(error: ClusterError) -> str:
    if isinstance(error, TimedOut):
        return "silent"
    if isinstance(error, Unreachable):
        return "cut"
    if isinstance(error, Expired):
        return "expired"
    if isinstance(error, ApiError):
        return {401: "denied", 403: "denied", 429: "throttled", 503: "throttled"}.get(error.status, "refused")
    return "malformed" if isinstance(error, MalformedAnswer) else "denied"
