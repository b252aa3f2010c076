"""What to do next with the shared state: one decision, the same for every replica. Pure but for the keys it makes.

The rules: a CA is trusted everywhere before it signs, and as long as a leaf of it may be served; where clients trust
a leaf that is still valid, nothing is done that could leave them without one.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from certs.bundle_history import BundleHistory
from certs.issue import Names, Pair, issue_ca, issue_leaf
from certs.memory import Memory, Policy
from certs.pem import is_issued_by
from certs.renewal import (
    ca_renewal_reason,
    can_sign,
    due_at,
    ends_at,
    issued_at,
    renewal_reason,
    takes_effect_at,
)
from certs.repair import Change, is_serviceable, repaired, retired
from certs.state import State

# During a rollout, old and new replicas may want different names: they take turns slowly.
_BETWEEN_NAMES: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Step:
    """The state that the Secret must hold, what is new in it (nothing: no write), and when to look again at the latest.

    `waiting`: this replica has just started and lets the others repair first; it publishes nothing meanwhile.
    """

    state: State
    changes: tuple[Change, ...]
    look_again: datetime
    waiting: bool = False


def next_step(state: State, memory: Memory, seen: BundleHistory, names: Names, policy: Policy, now: datetime) -> Step:
    """What to write, if anything. `state` is what the Secret holds, `now` an aware datetime.

    Raises CannotIssue for a policy by which nothing can be issued.
    """
    patience = memory.started + policy.patience
    if memory.serving is None and memory.started <= now < patience and _is_strange(state, seen, now):
        return Step(state, (), patience, waiting=True)
    fixed, changes = repaired(state, memory, policy, now)
    planner = _Planner(fixed, changes, memory, seen, names, policy, now)
    planner.rotate_ca()
    planner.renew_leaf()
    return Step(planner.state, tuple(planner.changes), planner.look_again())


def serving_choice(state: State, memory: Memory, seen: BundleHistory, policy: Policy, now: datetime) -> Pair | None:
    """Which leaf to serve: the new one as soon as clients trust it, else the one that is served already.

    A replica that has served nothing yet serves as soon as the caBundle holds the CA: no older leaf would do better.
    """
    new, old = state.leaf, memory.serving
    if new is None or not is_serviceable(new, state, now):
        return old
    issuer = seen.issuer_of(new)
    if old is None:
        return new if issuer is not None else None
    known = state.issuer_of(new)
    if known is not None and is_issued_by(old.certificate, known):
        return new
    if issuer is not None and seen.is_settled(issuer, policy.settle, now):
        return new
    if ends_at(old.certificate) > now and (issuer is None or seen.issuer_of(old) is not None):
        return old
    return new


def _is_strange(state: State, seen: BundleHistory, now: datetime) -> bool:
    """Clients trust a CA that the Secret does not know: the other replicas may know better."""
    return not seen.current(now).issubset(state.authorities())


class _Planner:
    """A state in the making."""

    def __init__(
        self,
        state: State,
        changes: list[Change],
        memory: Memory,
        seen: BundleHistory,
        names: Names,
        policy: Policy,
        now: datetime,
    ) -> None:
        self.state = state
        self.changes = changes
        self._memory = memory
        self._seen = seen
        self._names = names
        self._policy = policy
        self._now = now
        self._later: list[datetime] = []

    def rotate_ca(self) -> None:
        """Makes, announces or promotes a CA."""
        now, state = self._now, self.state
        reason = ca_renewal_reason(state.ca, now, requested=state.rotate_ca_after)
        coming = state.next_ca
        if coming is not None and (useless := ca_renewal_reason(coming, now)) is not None:
            coming = None
            self._change("next CA", f"dropped: {useless}", next_ca=None)
        if coming is None and reason is None:
            return
        # Nothing that clients trust is left to protect: waiting would help nobody.
        lost = not can_sign(state.ca, now) and not is_serviceable(state.leaf, state, now)
        if coming is None:
            made = issue_ca(now, common_name=self._policy.common_name, lifetime=self._policy.ca_lifetime)
            if lost:
                self._change("CA", reason or "missing", ca=made)
            else:
                self._change("next CA", reason or "missing", next_ca=made)
        elif lost or self._is_settled(coming):
            previous = state.previous
            if state.ca is not None and ends_at(state.ca.certificate) > now:
                previous = (*previous, retired(state.ca, state, self._memory.serving, self._policy, now))
            self._change("CA", reason or "announced", ca=coming, next_ca=None, previous=previous)

    def renew_leaf(self) -> None:
        """Signs a leaf where one is due, unless clients do not trust the CA yet and have a leaf to trust."""
        now, state = self._now, self.state
        if state.ca is None or not can_sign(state.ca, now):
            return
        reason = renewal_reason(state.leaf, state.ca, self._names, now, requested=state.rotate_leaf_after)
        if reason is None:
            return
        if state.leaf is not None and is_serviceable(state.leaf, state, now):
            trusted = is_issued_by(state.leaf.certificate, state.ca.certificate) or self._is_settled(state.ca)
            if not trusted:
                return
            if reason == "names changed" and now < (turn := issued_at(state.leaf) + _BETWEEN_NAMES):
                self._later.append(turn)
                return
        leaf = issue_leaf(state.ca, self._names, now, lifetime=self._policy.leaf_lifetime)
        self._change("leaf", reason, leaf=leaf)

    def look_again(self) -> datetime:
        """The first moment at which something else may be due; a day from now at the latest."""
        state, later = self.state, self._later
        for pair, ca in ((state.ca, None), (state.next_ca, None), (state.leaf, state.ca)):
            if pair is not None:
                later += (due_at(pair, ca), ends_at(pair.certificate))
        later += [previous.until for previous in state.previous if previous.until is not None]
        later += [takes_effect_at(time) for time in (state.rotate_leaf_after, state.rotate_ca_after) if time]
        settling = [self._seen.settled_at(ca, self._policy.settle) for ca in state.authorities()]
        later += [time for time in settling if time is not None]
        day = self._now + timedelta(days=1)
        return min((time for time in later if time > self._now), default=day)

    def _is_settled(self, ca: Pair) -> bool:
        return self._seen.is_settled(ca.certificate, self._policy.settle, self._now)

    def _change(self, what: str, reason: str, **fields: object) -> None:
        self.state = replace(self.state, **fields)  # type: ignore[arg-type]
        self.changes.append(Change(what, reason))
