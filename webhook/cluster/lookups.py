"""Live reads of ServiceAccounts: few at a time, one for all who ask for the same, and fair between namespaces.

Anyone in the cluster's network can make us look up names of their choice, so that the API server needs protection, and
one namespace's pods need it against the flood of another's.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from webhook.admission.identity import ServiceAccount
from webhook.cluster.api_errors import ClusterError
from webhook.errors import LookupFailed

MAX_CONCURRENT: Final = 32
# Of those, reads of one namespace: its ServiceAccounts may be so large that each read takes all the time that it has.
MAX_CONCURRENT_OF_ONE: Final = 8
# At some milliseconds a read, as many as can be read within a second.
MAX_WAITING: Final = 1024


class _Read:
    """One read of one ServiceAccount, and how many wait for what it finds."""

    __slots__ = ("callers", "future", "has_started")

    def __init__(self) -> None:
        self.future: asyncio.Future[ServiceAccount | None] = asyncio.get_running_loop().create_future()
        self.callers = 0
        self.has_started = False


class Lookups:
    """Asks `read` for ServiceAccounts; `seconds` is the longest that a caller waits.

    A caller shares a read with others unless that read had started before it came: what an earlier read did not find
    may have been created since. Of the ServiceAccounts of all namespaces at most `max_concurrent` are read at a time
    and `max_waiting` wait, each at most once; namespaces take turns, and one has no more than `max_concurrent_of_one`
    read at a time. Where too many wait, the one that came last in the namespace that has the most is refused. Keeps
    nothing that it found.
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
        # By namespace, in the order of their turns; in it by name, in the order of arrival.
        self._waiting: dict[str, dict[str, _Read]] = {}
        # Reads that wait for an earlier one of the same ServiceAccount.
        self._next: dict[tuple[str, str], _Read] = {}
        self._in_flight: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._in_flight_of: Counter[str] = Counter()
        self._waiting_count = 0
        self.rejected = 0

    @property
    def waiting(self) -> int:
        """Reads that have not started."""
        return self._waiting_count + len(self._next)

    @property
    def in_flight(self) -> int:
        """Reads that have started and have no answer yet."""
        return len(self._in_flight)

    async def find(self, namespace: str, name: str) -> ServiceAccount | None:
        """The ServiceAccount as the API server has it, read after this was called; None where there is none.

        Raises LookupFailed where that could not be found out in time.
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
        """Ends all reads; who still waits gets LookupFailed."""
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        for read in [read for reads in self._waiting.values() for read in reads.values()] + list(self._next.values()):
            _fail(read, "", "the webhook stops")
        self._waiting.clear()
        self._next.clear()
        self._waiting_count = 0
        await asyncio.gather(*tasks, return_exceptions=True)

    def _joined(self, namespace: str, name: str) -> _Read:
        """A read that has not started yet."""
        key = (namespace, name)
        found = self._next.get(key) or self._waiting.get(namespace, {}).get(name)
        if found is not None:
            return found
        read = _Read()
        if key in self._in_flight:
            # It is bound by those in flight, so it counts for no one's share.
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
        _fail(read, f"{namespace}/{name}", f"{self._max_waiting} ServiceAccounts are being looked up already")

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
        """Starts what may be started: of each namespace in turn the one that has waited longest."""
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
        """Whose turn it is. Few are passed over: not many can have all the reads that one may have."""
        for namespace in self._waiting:
            if self._in_flight_of[namespace] < self._max_concurrent_of_one:
                return namespace
        return None

    async def _run(self, namespace: str, name: str, read: _Read) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                found = await self._read(namespace, name)
        except asyncio.CancelledError:
            _fail(read, f"{namespace}/{name}", "the webhook stops")
            raise
        except Exception as error:  # noqa: BLE001 - those who wait for it judge it
            if not read.future.done():
                read.future.set_exception(error)
                # Nobody may be left to ask for it.
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
