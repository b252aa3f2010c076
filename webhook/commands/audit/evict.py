"""`audit --evict`: asks, evicts, and says what is left."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from webhook.cluster.client import KubernetesClient
from webhook.cluster.workloads import Workloads
from webhook.commands.flags.parsing import Parsed
from webhook.diagnosis.eviction.heal import Report, heal
from webhook.diagnosis.eviction.live import LiveEvictor
from webhook.diagnosis.eviction.plan import Options, Plan, plan
from webhook.diagnosis.findings import Finding, Owner
from webhook.diagnosis.verdict import Known

_OPTIONS = ("dry_run", "limit", "evict_changed", "evict_single_replicas", "timeout", "yes")

# Prints a line for the user.
Notice = Callable[[str], None]


def eviction_problems(parsed: Parsed) -> Iterator[str]:
    """Yields a line for each wrong use of the flags for evictions."""
    values = parsed.values
    if values["evict"] and not (values["yes"] or values["dry_run"] or sys.stdin.isatty()):
        yield "--evict: asks before the first eviction, but standard input is no terminal: set --yes or --dry-run"
    if not values["evict"]:
        yield from (
            f"--{name.replace('_', '-')}: can be used only with --evict"
            for name in _OPTIONS
            if name in parsed.given and values[name]
        )
    if values["limit"] < 0:
        yield f"--limit: {values['limit']} is negative"


async def evict(
    parsed: Parsed,
    client: KubernetesClient,
    known: Known,
    workloads: Workloads,
    findings: Sequence[Finding],
    notice: Notice,
) -> int:
    """Evicts what may be evicted of `findings`; returns the exit code. Raises ClusterError."""
    values = parsed.values
    options = Options(
        dry_run=values["dry_run"],
        limit=values["limit"],
        changed=values["evict_changed"],
        single_replicas=values["evict_single_replicas"],
        timeout=values["timeout"],
    )
    planned = plan(findings, await _replicas(findings, workloads), options)
    report = Report(left=list(planned.left))
    if planned.queues and (options.dry_run or values["yes"] or _agrees(planned, options)):
        report = await heal(planned, LiveEvictor(client, known, workloads), options, notice)
    elif planned.queues:
        notice("nothing evicted")
        return 1
    _summarise(report, options, notice)
    if report.is_cancelled:
        raise asyncio.CancelledError
    return 1 if report.left or report.stopped or options.dry_run else 0


async def _replicas(findings: Sequence[Finding], workloads: Workloads) -> dict[Owner, int | None]:
    """Returns the number of replicas of each owner: its controller's, which is what the owner last asked for.

    Owners whose controller is gone, or which RBAC does not let us read, are not there.
    """
    found: dict[Owner, int | None] = {}
    for each in findings:
        if each.controller is not None and each.owner not in found:
            workload = await workloads.read(each.namespace, each.controller)
            if workload is not None:
                found[each.owner] = workload.replicas
    return found


def _agrees(planned: Plan, options: Options) -> bool:
    """Asks the user whether to evict."""
    count = sum(len(queue) for _, queue in planned.queues)
    count = min(count, options.limit) if options.limit else count
    owners = len(planned.queues)
    question = f"Evict {count} pod{'' if count == 1 else 's'} of {owners} owner{'' if owners == 1 else 's'}? [y/N] "
    # asyncio would answer Ctrl-C by cancelling this task, which waits for the line.
    of_asyncio = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        print(question, end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in {"y", "yes"}
    finally:
        signal.signal(signal.SIGINT, of_asyncio)


def _summarise(report: Report, options: Options, notice: Notice) -> None:
    """Says what is left, by owner and reason, and the last line."""
    if report.stopped:
        notice(f"stopped: {report.stopped}")
    ordered = sorted(report.left, key=lambda each: (each.finding.owner, each.why, each.finding.pod))
    for (owner, why), group in groupby(ordered, key=lambda each: (each.finding.owner, each.why)):
        members = list(group)
        notice(f"left: {owner}: {', '.join(each.finding.pod for each in members)}: {why}")
        for command in dict.fromkeys(each.command for each in members if each.command):
            notice(f"  {command}")
    verb = "would be evicted" if options.dry_run else "evicted"
    notice(f"{len(report.evicted)} {verb}, {len(report.left)} left")
