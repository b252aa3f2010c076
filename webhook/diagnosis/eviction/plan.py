"""Decides which of the found pods may be evicted, and why the others may not. Pure."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from webhook.diagnosis.findings import Finding, Owner, by_owner

# These make a new pod in place of an evicted one.
_REPLACING: Final = frozenset({"ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet"})
_RESTARTABLE: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user allows. `limit` is the maximum number of evictions, 0 means any; times are in seconds.

    `changed`: also pods with credentials, but other ones than they would get now. `single_replicas`: also the only
    replica of a workload. `timeout` limits the wait for a PodDisruptionBudget, and then for the new pod.
    """

    dry_run: bool = False
    limit: int = 0
    changed: bool = False
    single_replicas: bool = False
    timeout: float = 300.0


@dataclass(frozen=True, slots=True)
class Left:
    """A pod that stays, why, and a command that would mend it, or ""."""

    finding: Finding
    why: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The pods to evict, by owner and in order; and those that stay."""

    queues: tuple[tuple[Owner, tuple[Finding, ...]], ...] = ()
    left: tuple[Left, ...] = field(default=())


def plan(findings: Iterable[Finding], replicas: Mapping[Owner, int | None], options: Options) -> Plan:
    """Returns the plan for `findings`.

    `replicas` has the number of replicas of each owner whose controller could be read, None if it has no such number.
    """
    queues: list[tuple[Owner, tuple[Finding, ...]]] = []
    left: list[Left] = []
    for owner, found in by_owner(findings):
        queue = []
        for each in found:
            stays = _stays(each, replicas, options)
            if stays is None:
                queue.append(each)
            else:
                left.append(stays)
        if queue:
            queues.append((owner, tuple(queue)))
    return Plan(tuple(queues), tuple(left))


def _stays(finding: Finding, known: Mapping[Owner, int | None], options: Options) -> Left | None:
    """Returns why a pod must stay, or None."""
    verdict, controller = finding.verdict, finding.controller
    if not verdict.heals:
        return Left(finding, f"a new pod would be no better: {verdict.why}")
    if controller is None:
        return Left(finding, "it has no controller that would replace it")
    if controller.kind == "Job":
        return Left(finding, "it belongs to a Job, whose work it would lose")
    if controller.kind not in _REPLACING:
        return Left(finding, f"audit does not know whether a {controller.kind} replaces its pods")
    if verdict.kind == "changed" and not options.changed:
        return Left(finding, "it has credentials, only other ones: --evict-changed evicts it")
    if finding.owner not in known:
        return Left(finding, f"its {controller.kind} could not be read: it may be gone, or this its only replica")
    replicas = known[finding.owner]
    if replicas is not None and replicas <= 1 and not options.single_replicas:
        return Left(finding, "it is the only replica: --evict-single-replicas evicts it", _restart(finding))
    return None


def _restart(finding: Finding) -> str:
    """Returns a command to paste. The owner's name may be anything: whoever creates an object writes its owners."""
    owner = finding.owner
    if owner.kind in _RESTARTABLE:
        return shlex.join(
            ["kubectl", "-n", owner.namespace, "rollout", "restart", f"{owner.kind.lower()}/{owner.name}"]
        )
    return f"kubectl -n {owner.namespace} delete pod {finding.pod}"
