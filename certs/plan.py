"""Decides the next change to the shared state; every replica decides alike. Pure except for the keys it makes.

First `repair.py` restores from memory what the Secret has lost. If no replica remembers it, `rotate_ca` makes a new CA.

The rules: clients trust a CA before it signs, and for as long as a replica may serve one of its leaves. While clients
trust a valid leaf, no change may leave them without one.
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

# During a rollout, old and new replicas may want different names: this pause limits how often they replace the leaf.
_BETWEEN_NAMES: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Step:
    """The state that the Secret must hold, the changes in it, and the latest time to look again.

    If there are no changes, nothing needs to be written. `waiting`: this replica has just started, lets the others
    repair the Secret first, and publishes nothing until then.
    """

    state: State
    changes: tuple[Change, ...]
    look_again: datetime
    waiting: bool = False


def next_step(state: State, memory: Memory, seen: BundleHistory, names: Names, policy: Policy, now: datetime) -> Step:
    """Decides what to write to the Secret, if anything. `state` is the Secret's content, `now` an aware datetime.

    Raises CannotIssue if the policy allows no certificate to be issued.
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
    """Decides which leaf to serve: the new leaf as soon as clients trust it, until then the one already in use.

    A replica that serves no leaf yet does not wait for the CA to settle: once the caBundle holds the CA, no older leaf
    would be better.
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
    """Whether clients trust a CA that the Secret lacks. If so, the other replicas may know that CA."""
    return not seen.current(now).issubset(state.authorities())


class _Planner:
    """Builds the next state step by step."""

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
        """Issues a CA, announces it as the next one, or promotes the next one, as needed."""
        now, state = self._now, self.state
        reason = ca_renewal_reason(state.ca, now, requested=state.rotate_ca_after)
        coming = state.next_ca
        if coming is not None and (useless := ca_renewal_reason(coming, now)) is not None:
            coming = None
            self._change("next CA", f"dropped: {useless}", next_ca=None)
        if coming is None and reason is None:
            return
        # Clients trust no leaf that still works, so there is nothing to wait for.
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
        """Signs a leaf if one is due. Waits if clients do not trust the CA yet but trust the current leaf."""
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
        """Returns the earliest time at which something else may be due, or a day from now if nothing will be."""
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
