"""Evicts the pods of a plan, one at a time, and waits for PodDisruptionBudgets and for the new pods.

Stops at the first sign that new pods come back without credentials.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from webhook.cluster.api_errors import ClusterError
from webhook.diagnosis.eviction.evictor import Evictor, Sibling
from webhook.diagnosis.eviction.plan import Left, Options, Plan
from webhook.diagnosis.findings import Finding

_BETWEEN_LOOKS: Final = 2.0
_STOPPED: Final = "the evictions stopped before it"

# What to do after a pod: go on with its owner, with the next owner, or not at all.
_Next: TypeAlias = Literal["go-on", "next-owner", "stop"]


@dataclass
class Report:
    """What came of a plan: the evicted pods, those that stay, and why it stopped early, or "".

    `is_cancelled`: the task was cancelled, for example by Ctrl-C. Who asked for the report cancels it again.
    """

    evicted: list[Finding] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    stopped: str = ""
    is_cancelled: bool = False


async def heal(plan: Plan, evictor: Evictor, options: Options, say: Callable[[str], None]) -> Report:
    """Carries out `plan`; `say` gets a line for each step. Stops, and reports why, if the API server fails."""
    healing = _Healing(evictor, options, say, Report(left=list(plan.left)))
    following: _Next = "go-on"
    for _, queue in plan.queues:
        waiting = list(queue)
        following = "stop" if following == "stop" else "go-on"
        while waiting and following == "go-on":
            following = await healing.one(waiting.pop(0))
        healing.report.left += [Left(each, healing.why) for each in waiting]
    return healing.report


class _Healing:
    def __init__(self, evictor: Evictor, options: Options, say: Callable[[str], None], report: Report) -> None:
        self._evictor = evictor
        self._options = options
        self._say = say
        self.report = report
        # Why the pods that were not tried stay.
        self.why = ""

    async def one(self, finding: Finding) -> _Next:
        try:
            return await self._one(finding)
        except asyncio.CancelledError:
            self.report.is_cancelled = True
            return self._break_off(finding, "interrupted")
        except ClusterError as error:
            return self._break_off(finding, str(error))

    def _break_off(self, finding: Finding, why: str) -> _Next:
        self.report.stopped = why
        self.why = _STOPPED
        if finding not in self.report.evicted:
            self.report.left.append(Left(finding, self.why))
        return "stop"

    async def _one(self, finding: Finding) -> _Next:
        options, report = self._options, self.report
        if options.limit and len(report.evicted) >= options.limit:
            return self._stay(finding, f"--limit {options.limit} is reached", "stop")
        unproved = await self._prove(finding)
        if unproved is not None:
            return unproved
        before = await self._evictor.siblings(finding)
        following = await self._evict(finding)
        if following is not None:
            return following
        report.evicted.append(finding)
        if options.dry_run:
            self._say(f"{_name(finding)}: would be evicted")
            return "go-on"
        self._say(f"{_name(finding)}: evicted")
        return await self._replaced(finding, before)

    async def _prove(self, finding: Finding) -> _Next | None:
        """Proves that a new pod would be right; returns None if it would."""
        proof = await self._evictor.prove(finding)
        if proof.result == "gone":
            self._say(f"{_name(finding)}: is gone already")
            return "go-on"
        if proof.result == "bare":
            return self._stop(finding, f"injection does not work now: {proof.message}")
        if proof.result == "refused":
            return self._stay(finding, f"the API server would refuse a new pod: {proof.message}", "next-owner")
        return None

    async def _evict(self, finding: Finding) -> _Next | None:
        """Evicts a pod as soon as its PodDisruptionBudget allows; returns None if that succeeded."""
        end = self._evictor.now() + self._options.timeout
        has_said = False
        while True:
            done = await self._evictor.evict(finding, dry_run=self._options.dry_run)
            if done.result == "evicted":
                return None
            if done.result == "gone":
                self._say(f"{_name(finding)}: is gone already")
                return "go-on"
            if done.result == "refused":
                return self._stay(finding, f"the API server refuses the eviction: {done.message}", "next-owner")
            if self._options.dry_run or self._evictor.now() + done.seconds > end:
                why = f"its PodDisruptionBudget does not allow the eviction now: {done.message}"
                return self._stay(finding, why, "next-owner")
            if not has_said:
                self._say(f"{_name(finding)}: waits for its PodDisruptionBudget")
                has_said = True
            await self._evictor.pause(done.seconds)
            # The wait may have been long enough for the webhook to go away.
            unproved = await self._prove(finding)
            if unproved is not None:
                return unproved

    async def _replaced(self, finding: Finding, before: Sequence[Sibling]) -> _Next:
        """Waits for the new pod: it must have its credentials, and be ready if the evicted one was."""
        known = {each.uid for each in before}
        was_ready = any(each.uid == finding.uid and each.is_ready for each in before)
        end = self._evictor.now() + self._options.timeout
        new: list[Sibling] = []
        while self._evictor.now() < end:
            new = [each for each in await self._evictor.siblings(finding) if each.uid not in known]
            bare = next((each for each in new if each.fault), None)
            if bare is not None:
                self.why = _STOPPED
                self.report.stopped = f"the new pod {finding.namespace}/{bare.name} came back wrong: {bare.fault}"
                return "stop"
            ready = next((each for each in new if each.is_ready or not was_ready), None)
            if ready is not None:
                self._say(f"{finding.namespace}/{ready.name}: is there, with its credentials")
                return "go-on"
            await self._evictor.pause(_BETWEEN_LOOKS)
        missing = "is not ready" if new else "is not there"
        self.why = f"the new pod for {finding.pod} {missing} after {self._options.timeout:g} s"
        self._say(f"{finding.owner}: {self.why}; its other pods stay")
        return "next-owner"

    def _stay(self, finding: Finding, why: str, following: _Next) -> _Next:
        self.report.left.append(Left(finding, why))
        self.why = why
        return following

    def _stop(self, finding: Finding, why: str) -> _Next:
        self.report.stopped = why
        return self._stay(finding, _STOPPED, "stop")


def _name(finding: Finding) -> str:
    return f"{finding.namespace}/{finding.pod}"
