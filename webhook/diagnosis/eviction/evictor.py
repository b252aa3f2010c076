"""The effects of an eviction, behind a protocol that `heal.py` uses and `live.py` fulfils on a cluster.

`FakeEvictor` is for tests.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from webhook.diagnosis.findings import Finding


@dataclass(frozen=True, slots=True)
class Proof:
    """What a server-side dry run of a pod's creation shows.

    `right`: the pod comes back with its credentials. `bare`: it comes back without them. `refused`: the API server
    does not create it. `gone`: the pod that was to be replaced is no longer there.
    """

    result: Literal["right", "bare", "refused", "gone"]
    message: str = ""


@dataclass(frozen=True, slots=True)
class Eviction:
    """What came of an eviction. `wait`: a PodDisruptionBudget does not allow it now; try again after `seconds`."""

    result: Literal["evicted", "wait", "gone", "refused"]
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Sibling:
    """A pod of the same controller. `fault` is what is wrong with its credentials, or ""."""

    uid: str
    name: str
    is_ready: bool
    fault: str = ""


class Evictor(Protocol):
    """What healing does to a cluster. Methods raise ClusterError if the API server does not answer."""

    async def prove(self, finding: Finding) -> Proof:
        """Creates the pod's successor by server-side dry run."""

    async def evict(self, finding: Finding, *, dry_run: bool) -> Eviction:
        """Evicts the pod, if it still has the UID of the finding."""

    async def siblings(self, finding: Finding) -> Sequence[Sibling]:
        """Returns the pods of its controller, itself included, without those that are leaving."""

    async def pause(self, seconds: float) -> None:
        """Waits."""

    def now(self) -> float:
        """Returns seconds of a clock that never goes back."""


@dataclass
class FakeEvictor:
    """An Evictor in memory: each evicted pod gets a successor, made by `successor`, at the next look.

    `budgets` are the answers of `evict` before it evicts; `evicted` has the names of evicted pods, in order.
    """

    successor: Callable[[Finding], Sibling | None]
    proofs: Callable[[Finding], Proof] = lambda _finding: Proof("right")
    budgets: list[Eviction] = field(default_factory=list)
    pods: dict[str, Sibling] = field(default_factory=dict)
    evicted: list[str] = field(default_factory=list)
    dry_runs: list[str] = field(default_factory=list)
    clock: float = 0.0

    async def prove(self, finding: Finding) -> Proof:
        """Returns what `proofs` says."""
        return self.proofs(finding)

    async def evict(self, finding: Finding, *, dry_run: bool) -> Eviction:
        """Returns the next of `budgets`; if there is none, replaces the pod."""
        if self.budgets:
            return self.budgets.pop(0)
        if dry_run:
            self.dry_runs.append(finding.pod)
            return Eviction("evicted")
        self.evicted.append(finding.pod)
        self.pods.pop(finding.uid, None)
        made = self.successor(finding)
        if made is not None:
            self.pods[made.uid] = made
        return Eviction("evicted")

    async def siblings(self, finding: Finding) -> Sequence[Sibling]:  # noqa: ARG002 - one controller is enough here
        """Returns all pods."""
        return list(self.pods.values())

    async def pause(self, seconds: float) -> None:
        """Moves the clock."""
        self.clock += seconds

    def now(self) -> float:
        """Returns the clock."""
        return self.clock
