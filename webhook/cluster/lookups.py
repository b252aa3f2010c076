"""Live reads of ServiceAccounts: few at a time, shared by callers that need the same one, and fair between namespaces.

Anyone in the cluster's network can make us look up arbitrary names. So we protect the API server from a flood of reads,
and the pods of one namespace from a flood of reads for another.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from webhook.admission.identity import ServiceAccount
from webhook.cluster.api_errors import ClusterError
from webhook.errors import LookupFailed

MAX_CONCURRENT: Final = 32
# The limit for one namespace: its ServiceAccounts may be so large that each read takes the full time limit.
MAX_CONCURRENT_OF_ONE: Final = 8
# The number of reads that finish within a second, if each takes some milliseconds.
MAX_WAITING: Final = 1024


class _Read:
    """One read of one ServiceAccount, and the number of callers that wait for its result."""

    __slots__ = ("callers", "future", "has_started")

    def __init__(self) -> None:
        self.future: asyncio.Future[ServiceAccount | None] = asyncio.get_running_loop().create_future()
        self.callers = 0
        self.has_started = False


class Lookups:
    """Reads ServiceAccounts with `read`; a caller waits at most `seconds`.

    Callers share a read that has not started yet. They never join a started read: the ServiceAccount may have been
    created since. At most `max_concurrent` reads run at a time, at most `max_concurrent_of_one` of them for one
    namespace, and at most `max_waiting` wait; each ServiceAccount waits at most once. Namespaces take turns. If too
    many reads wait, the newest read of the namespace with the most waiting reads fails. Results are not cached.
    """

    def __init__(
        self,
        read: Callable[[str, str], Awaitable[ServiceAccount | None]],
        *,
        seconds: float = 1.0,
        max_concurrent: int = MAX_CONCURRENT,
        max_concurrent_of_one: int = MAX_CONCURRENT_OF_ONE,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._max_concurrent = max_concurrent
        self._max_concurrent_of_one = max_concurrent_of_one
        self._max_waiting = max_waiting
        # By namespace, in the order of their turns; within a namespace by name, in the order of arrival.
        self._waiting: dict[str, dict[str, _Read]] = {}
        # Reads that wait for an earlier one of the same ServiceAccount.
        self._next: dict[tuple[str, str], _Read] = {}
        self._in_flight: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._in_flight_of: Counter[str] = Counter()
        self._waiting_count = 0
        self.rejected = 0

    @property
    def waiting(self) -> int:
        """The number of reads that have not started."""
        return self._waiting_count + len(self._next)

    @property
    def in_flight(self) -> int:
        """The number of reads that have started but have no answer yet."""
        return len(self._in_flight)

    async def find(self, namespace: str, name: str) -> ServiceAccount | None:
        """Reads the ServiceAccount from the API server; returns None if it does not exist.

        The read starts after this call. Raises LookupFailed if the read fails or takes too long.
        """
        read = self._joined(namespace, name)
        read.callers += 1
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.shield(read.future)
        except TimeoutError as error:
            raise LookupFailed(
                f"ServiceAccount {namespace}/{name}: no answer from the API server within {self._seconds:g} s"
            ) from error
        except ClusterError as error:
            raise LookupFailed(f"ServiceAccount {namespace}/{name}: {error}") from error
        finally:
            read.callers -= 1
            if not read.callers and not read.has_started:
                self._forget(namespace, name, read)

    async def close(self) -> None:
        """Cancels all reads; callers that still wait get LookupFailed."""
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        for read in [read for reads in self._waiting.values() for read in reads.values()] + list(self._next.values()):
            _fail(read, "", "the webhook is stopping")
        self._waiting.clear()
        self._next.clear()
        self._waiting_count = 0
        await asyncio.gather(*tasks, return_exceptions=True)

    def _joined(self, namespace: str, name: str) -> _Read:
        """Returns a read that has not started yet: an existing one, or a new one."""
        key = (namespace, name)
        found = self._next.get(key) or self._waiting.get(namespace, {}).get(name)
        if found is not None:
            return found
        read = _Read()
        if key in self._in_flight:
            # Each such read belongs to a read in flight, whose number is limited, so it needs no limit of its own.
            self._next[key] = read
            return read
        self._enqueue(namespace, name, read)
        self._start()
        if self._waiting_count > self._max_waiting:
            self._reject_one()
        return read

    def _enqueue(self, namespace: str, name: str, read: _Read) -> None:
        self._waiting.setdefault(namespace, {})[name] = read
        self._waiting_count += 1

    def _reject_one(self) -> None:
        namespace = max(self._waiting, key=lambda candidate: len(self._waiting[candidate]))
        name = next(reversed(self._waiting[namespace]))
        read = self._waiting[namespace][name]
        self._forget(namespace, name, read)
        self.rejected += 1
        _fail(read, f"{namespace}/{name}", f"{self._max_waiting} lookups are already waiting")

    def _forget(self, namespace: str, name: str, read: _Read) -> None:
        if self._next.get((namespace, name)) is read:
            del self._next[namespace, name]
            return
        reads = self._waiting.get(namespace)
        if reads is None or reads.get(name) is not read:
            return
        del reads[name]
        self._waiting_count -= 1
        if not reads:
            del self._waiting[namespace]

    def _start(self) -> None:
        """Starts reads up to the limits: namespaces take turns, and the oldest read of a namespace goes first."""
        while len(self._in_flight) < self._max_concurrent:
            namespace = self._next_namespace()
            if namespace is None:
                return
            reads = self._waiting.pop(namespace)
            name = next(iter(reads))
            read = reads.pop(name)
            self._waiting_count -= 1
            if reads:
                self._waiting[namespace] = reads
            read.has_started = True
            self._in_flight_of[namespace] += 1
            self._in_flight[namespace, name] = asyncio.create_task(self._run(namespace, name, read))

    def _next_namespace(self) -> str | None:
        """Returns the namespace whose turn it is. The loop is short: few namespaces can be at their limit at a time."""
        for namespace in self._waiting:
            if self._in_flight_of[namespace] < self._max_concurrent_of_one:
                return namespace
        return None

    async def _run(self, namespace: str, name: str, read: _Read) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                found = await self._read(namespace, name)
        except asyncio.CancelledError:
            _fail(read, f"{namespace}/{name}", "the webhook is stopping")
            raise
        except Exception as error:  # noqa: BLE001 - the waiting callers get it and handle it
            if not read.future.done():
                read.future.set_exception(error)
                # Retrieve it, as perhaps no caller is left: otherwise asyncio logs that nobody retrieved it.
                read.future.exception()
        else:
            if not read.future.done():
                read.future.set_result(found)
        finally:
            del self._in_flight[namespace, name]
            self._in_flight_of[namespace] -= 1
            if not self._in_flight_of[namespace]:
                del self._in_flight_of[namespace]
            following = self._next.pop((namespace, name), None)
            if following is not None:
                self._enqueue(namespace, name, following)
            self._start()


def _fail(read: _Read, who: str, problem: str) -> None:
    if not read.future.done():
        read.future.set_exception(LookupFailed(f"ServiceAccount {who}: {problem}" if who else problem))
        read.future.exception()
