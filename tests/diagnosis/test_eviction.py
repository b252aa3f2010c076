"""Which pods audit evicts, in which order, and when it stops."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from webhook.cluster.api_errors import Unreachable
from webhook.cluster.pods import OwnerReference
from webhook.diagnosis.eviction.evictor import Eviction, FakeEvictor, Proof, Sibling
from webhook.diagnosis.eviction.heal import Report, heal
from webhook.diagnosis.eviction.plan import Options, plan
from webhook.diagnosis.findings import Finding, Owner
from webhook.diagnosis.verdict import Verdict

WEB = Owner("shop", "Deployment", "web")
_MISSING = Verdict("missing", "webhook-away", "the webhook was away", "role", (), heals=True)
_CHANGED = replace(_MISSING, kind="changed")
_SKIPPED = replace(_MISSING, reason="skipped", why="its label keeps the webhook away", heals=False)


def found(pod: str, verdict: Verdict = _MISSING, *, kind: str = "ReplicaSet", owner: Owner = WEB) -> Finding:
    controller = OwnerReference("apps/v1", kind, f"{owner.name}-5d8", f"uid-of-{owner.name}", True) if kind else None
    reference = OwnerReference("apps/v1", owner.kind, owner.name, f"uid-of-{owner.name}")
    return Finding(owner, reference, controller, pod, f"uid-of-{pod}", f"2026-01-01T00:00:0{len(pod)}Z", verdict)


_STAYS: dict[str, tuple[Finding, int | None, str, str]] = {
    "no better": (found("a", _SKIPPED), 2, "a new pod would be no better: its label keeps the webhook away", ""),
    "no controller": (found("a", kind=""), None, "it has no controller that would replace it", ""),
    "a Job": (found("a", kind="Job"), None, "it belongs to a Job, whose work it would lose", ""),
    "a foreign kind": (found("a", kind="Rig"), None, "audit does not know whether a Rig replaces its pods", ""),
    "other values": (found("a", _CHANGED), 2, "it has credentials, only other ones: --evict-changed evicts it", ""),
    "the only replica of a Deployment": (
        found("a"),
        1,
        "it is the only replica: --evict-single-replicas evicts it",
        "kubectl -n shop rollout restart deployment/web",
    ),
    "the only replica of an owner whose name is a command": (
        found("a", owner=Owner("shop", "Deployment", "web; rm -rf ~")),
        1,
        "it is the only replica: --evict-single-replicas evicts it",
        "kubectl -n shop rollout restart 'deployment/web; rm -rf ~'",
    ),
    "the only replica of a ReplicaSet": (
        found("a", owner=Owner("shop", "ReplicaSet", "lone")),
        1,
        "it is the only replica: --evict-single-replicas evicts it",
        "kubectl -n shop delete pod a",
    ),
}


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize("options", [Options(), Options(single_replicas=True)])
def test_a_pod_whose_controller_could_not_be_read_stays(kind: str, options: Options) -> None:
    planned = plan([found("a", kind=kind)], {}, options)
    assert planned.queues == ()
    assert [each.why for each in planned.left] == [
        f"its {kind} could not be read: it may be gone, or this its only replica"
    ]


@pytest.mark.parametrize("name", _STAYS)
def test_a_pod_stays_if_evicting_it_would_not_help_or_could_hurt(name: str) -> None:
    finding, replicas, why, command = _STAYS[name]
    planned = plan([finding], {finding.owner: replicas}, Options())
    assert planned.queues == ()
    assert [(each.why, each.command) for each in planned.left] == [(why, command)]


@pytest.mark.parametrize(
    ("finding", "replicas", "options"),
    [
        (found("a"), 2, Options()),
        (found("a", kind="StatefulSet"), 3, Options()),
        (found("a", kind="DaemonSet"), None, Options()),
        (found("a", _CHANGED), 2, Options(changed=True)),
        (found("a"), 1, Options(single_replicas=True)),
    ],
)
def test_a_pod_that_its_controller_replaces_is_evicted(
    finding: Finding, replicas: int | None, options: Options
) -> None:
    assert plan([finding], {finding.owner: replicas}, options).queues == ((finding.owner, (finding,)),)


async def _healed(
    *findings: Finding, options: Options | None = None, **cluster: Any
) -> tuple[Report, FakeEvictor, list[str]]:
    """Heals Deployments of many replicas; returns the report, the fake cluster, and what was said."""
    cluster.setdefault("successor", _right)
    evictor = FakeEvictor(**cluster)
    for each in findings:
        evictor.pods[each.uid] = Sibling(each.uid, each.pod, is_ready=True, fault="bare")
    options = options or Options()
    planned = plan(findings, {each.owner: 9 for each in findings}, options)
    said: list[str] = []
    return await heal(planned, evictor, options, said.append), evictor, said


def _right(finding: Finding) -> Sibling:
    return Sibling(f"new-{finding.uid}", f"new-{finding.pod}", is_ready=True)


def _after(count: int, then: Callable[[Finding], Any], otherwise: Callable[[Finding], Any]) -> Callable[[Finding], Any]:
    """Returns a function that answers `otherwise` for the first `count` calls."""
    calls = iter([otherwise] * count)

    def answer(finding: Finding) -> Any:
        return next(calls, then)(finding)

    return answer


async def test_all_pods_of_all_owners_are_replaced_one_after_the_other() -> None:
    other = Owner("shop", "Deployment", "zoo")
    report, evictor, said = await _healed(found("a"), found("bb"), found("ccc", owner=other))
    assert evictor.evicted == ["a", "bb", "ccc"]
    assert (report.left, report.stopped) == ([], "")
    assert said[:2] == ["shop/a: evicted", "shop/new-a: is there, with its credentials"]


async def test_it_stops_at_the_first_new_pod_that_comes_back_bare() -> None:
    successor = _after(1, lambda each: replace(_right(each), fault="webhook-away"), _right)
    other = found("dddd", owner=Owner("shop", "Deployment", "zoo"))
    report, evictor, _ = await _healed(found("a"), found("bb"), found("ccc"), other, successor=successor)
    assert evictor.evicted == ["a", "bb"]
    assert report.stopped == "the new pod shop/new-bb came back wrong: webhook-away"
    assert [(each.finding.pod, each.why) for each in report.left] == [
        ("ccc", "the evictions stopped before it"),
        ("dddd", "the evictions stopped before it"),
    ]


def _fails(_finding: Finding) -> Any:
    raise Unreachable("the API server does not answer")


async def test_if_the_api_server_fails_before_an_eviction_it_stops_and_says_what_is_left() -> None:
    proofs = _after(1, _fails, lambda _: Proof("right"))
    report, evictor, _ = await _healed(found("a"), found("bb"), found("ccc"), proofs=proofs)
    assert (evictor.evicted, report.stopped) == (["a"], "the API server does not answer")
    assert [each.finding.pod for each in report.left] == ["bb", "ccc"]


class _FailsAfterwards(FakeEvictor):
    async def siblings(self, finding: Finding) -> Sequence[Sibling]:
        return _fails(finding) if self.evicted else await super().siblings(finding)


async def test_if_the_api_server_fails_after_an_eviction_that_pod_counts_as_evicted() -> None:
    findings = (found("a"), found("bb"))
    planned = plan(findings, {WEB: 9}, Options())
    report = await heal(planned, _FailsAfterwards(_right), Options(), lambda _said: None)
    assert ([each.pod for each in report.evicted], report.stopped) == (["a"], "the API server does not answer")
    assert [each.finding.pod for each in report.left] == ["bb"]


class _IsCancelledAfterwards(FakeEvictor):
    async def siblings(self, finding: Finding) -> Sequence[Sibling]:
        if self.evicted:
            raise asyncio.CancelledError
        return await super().siblings(finding)


async def test_ctrl_c_stops_it_and_the_report_says_what_is_left() -> None:
    findings = (found("a"), found("bb"), found("ccc", owner=Owner("shop", "Deployment", "zoo")))
    planned = plan(findings, {each.owner: 9 for each in findings}, Options())
    report = await heal(planned, _IsCancelledAfterwards(_right), Options(), lambda _said: None)
    assert ([each.pod for each in report.evicted], report.stopped, report.is_cancelled) == (["a"], "interrupted", True)
    assert [(each.finding.pod, each.why) for each in report.left] == [
        ("bb", "the evictions stopped before it"),
        ("ccc", "the evictions stopped before it"),
    ]


async def test_it_evicts_nothing_if_a_dry_run_shows_that_injection_does_not_work() -> None:
    report, evictor, _ = await _healed(found("a"), found("bb"), proofs=lambda _: Proof("bare", "lacks role"))
    assert (evictor.evicted, report.stopped) == ([], "injection does not work now: lacks role")
    assert len(report.left) == 2


async def test_it_proves_injection_again_before_each_pod() -> None:
    proofs = _after(1, lambda _: Proof("bare", "lacks role"), lambda _: Proof("right"))
    report, evictor, _ = await _healed(found("a"), found("bb"), proofs=proofs)
    assert (evictor.evicted, [each.finding.pod for each in report.left]) == (["a"], ["bb"])


async def test_a_budget_is_waited_out() -> None:
    report, evictor, said = await _healed(
        found("a"), budgets=[Eviction("wait", "budget", 10.0), Eviction("wait", "", 7.0)]
    )
    assert (evictor.evicted, evictor.clock, report.left) == (["a"], 17.0, [])
    assert said[0] == "shop/a: waits for its PodDisruptionBudget"


async def test_after_the_wait_for_a_budget_injection_is_proved_again() -> None:
    proofs = _after(1, lambda _: Proof("bare", "lacks role"), lambda _: Proof("right"))
    report, evictor, _ = await _healed(found("a"), budgets=[Eviction("wait", "budget", 10.0)], proofs=proofs)
    assert (evictor.evicted, report.stopped) == ([], "injection does not work now: lacks role")


async def test_a_budget_that_never_allows_it_leaves_the_owner_and_goes_on_with_the_next() -> None:
    other = found("zz", owner=Owner("shop", "Deployment", "zoo"))
    budgets = [Eviction("wait", "needs 2 healthy pods", 10.0)] * 4
    report, evictor, _ = await _healed(found("a"), found("bb"), other, budgets=budgets, options=Options(timeout=30))
    assert evictor.evicted == ["zz"]
    why = "its PodDisruptionBudget does not allow the eviction now: needs 2 healthy pods"
    assert [(each.finding.pod, each.why) for each in report.left] == [("a", why), ("bb", why)]


async def test_it_waits_until_the_new_pod_is_ready_and_else_leaves_the_rest_of_the_owner() -> None:
    def unready(each: Finding) -> Sibling:
        return replace(_right(each), is_ready=False)

    report, evictor, said = await _healed(found("a"), found("bb"), successor=unready, options=Options(timeout=60))
    assert evictor.evicted == ["a"]
    assert [each.why for each in report.left] == ["the new pod for a is not ready after 60 s"]
    assert said[-1] == "Deployment shop/web: the new pod for a is not ready after 60 s; its other pods stay"


async def test_an_owner_that_makes_no_new_pod_is_left() -> None:
    report, evictor, _ = await _healed(found("a"), found("bb"), successor=lambda _: None)
    assert (evictor.evicted, len(report.left)) == (["a"], 1)


async def test_a_pod_that_the_api_server_would_refuse_leaves_its_owner() -> None:
    report, evictor, _ = await _healed(found("a"), proofs=lambda _: Proof("refused", "exceeded quota"))
    assert [each.why for each in report.left] == ["the API server would refuse a new pod: exceeded quota"]
    assert evictor.evicted == []


@pytest.mark.parametrize("gone", ["proof", "eviction"])
async def test_a_pod_that_is_gone_meanwhile_is_neither_evicted_nor_left(gone: str) -> None:
    more: dict[str, Any] = {"proofs": lambda _: Proof("gone")} if gone == "proof" else {"budgets": [Eviction("gone")]}
    report, evictor, said = await _healed(found("a"), **more)
    assert (report.evicted, report.left, evictor.evicted) == ([], [], [])
    assert said == ["shop/a: is gone already"]


async def test_the_limit_counts_evictions() -> None:
    report, evictor, _ = await _healed(found("a"), found("bb"), found("ccc"), options=Options(limit=2))
    assert evictor.evicted == ["a", "bb"]
    assert [each.why for each in report.left] == ["--limit 2 is reached"]


async def test_a_dry_run_evicts_nothing() -> None:
    report, evictor, said = await _healed(found("a"), found("bb"), options=Options(dry_run=True))
    assert (evictor.evicted, evictor.dry_runs) == ([], ["a", "bb"])
    assert said == ["shop/a: would be evicted", "shop/bb: would be evicted"]
    assert len(report.evicted) == 2
