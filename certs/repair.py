"""Repairs the shared state from one replica's memory. Pure; every time is an aware datetime.

`state.py` says what counts as damage. If no replica remembers, `plan.py` makes a new CA after a wait.

Damage to the Secret changes no certificate: the repair restores lost pieces and keeps every CA that clients still need.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from certs.issue import Pair
from certs.memory import Memory, Policy
from certs.pem import is_issued_by
from certs.renewal import can_sign, ends_at, is_current
from certs.state import PreviousCa, State

# Normal operation never needs more; the limit is for an admin who requests one new CA after another.
MOST_PREVIOUS: Final = 8
# The clocks of replicas differ: one replica must not restore a CA that another has just dropped as expired.
_CLOCK_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class Change:
    """One change to a state ("CA", "leaf", …) and its reason: both are fixed texts, so that they can label a metric."""

    what: str
    reason: str


def repaired(state: State, memory: Memory, policy: Policy, now: datetime) -> tuple[State, list[Change]]:
    """Returns the state after restoring lost pieces from memory and updating its previous CAs, and the changes."""
    changes: list[Change] = []
    known = memory.state
    if not can_sign(state.ca, now) and can_sign(known.ca, now):
        state = replace(state, ca=known.ca)
        changes.append(Change("CA", "restored"))
    if state.next_ca is None and state.ca == known.ca and can_sign(known.next_ca, now):
        state = replace(state, next_ca=known.next_ca)
        changes.append(Change("next CA", "restored"))
    previous = _previous(state, memory, policy, now)
    if previous != state.previous:
        changes.append(Change("previous CAs", _difference(state.previous, previous)))
        state = replace(state, previous=previous)
    leaf = _leaf(state, memory, now)
    if leaf != state.leaf:
        state = replace(state, leaf=leaf)
        changes.append(Change("leaf", "restored"))
    return state, changes


def retired(ca: Pair, state: State, serving: Pair | None, policy: Policy, now: datetime) -> PreviousCa:
    """Returns a CA that signs no more leaves, with the time when its last leaf expires."""
    return PreviousCa(ca.certificate, _last_leaf_ends(ca.certificate, (state.leaf, serving), policy, now))


def is_serviceable(leaf: Pair | None, state: State, now: datetime) -> bool:
    """Whether a leaf is valid now and a valid CA of this state signed it."""
    if leaf is None or not is_current(leaf.certificate, now):
        return False
    issuer = state.issuer_of(leaf)
    return issuer is not None and is_current(issuer, now)


def _leaf(state: State, memory: Memory, now: datetime) -> Pair | None:
    """Returns the leaf that the Secret should hold.

    A new replica would serve the Secret's leaf at once, even if no replica has announced the CA of that leaf. So the
    leaf that clients trust replaces it until that CA has settled.
    """
    announced = memory.state.authorities()
    kept = next((leaf for leaf in (memory.state.leaf, memory.serving) if is_serviceable(leaf, state, now)), None)
    if kept is None:
        return state.leaf
    if state.leaf is None or not is_serviceable(state.leaf, state, now):
        return kept
    return state.leaf if state.issuer_of(state.leaf) in announced else kept


def _previous(state: State, memory: Memory, policy: Policy, now: datetime) -> tuple[PreviousCa, ...]:
    """Returns the CAs that clients must trust because of older leaves, sorted by the end of that trust."""
    signing = {pair.certificate for pair in (state.ca, state.next_ca) if pair is not None}
    leaves = (state.leaf, memory.state.leaf, memory.serving)
    until: dict[bytes, datetime] = {}
    for ca in state.previous:
        until[ca.certificate] = ca.until or _last_leaf_ends(ca.certificate, leaves, policy, now)
    for ca in memory.state.previous:
        if ca.until is not None and ca.until > now + _CLOCK_SKEW:
            until[ca.certificate] = max(ca.until, until.get(ca.certificate, ca.until))
    for certificate in memory.state.authorities():
        ends = [ends_at(leaf.certificate) for leaf in leaves if leaf and is_issued_by(leaf.certificate, certificate)]
        if certificate not in until and ends and max(ends) > now:
            until[certificate] = max(ends)
    kept = [
        PreviousCa(certificate, end)
        for certificate, end in until.items()
        if certificate not in signing and end > now and ends_at(certificate) > now
    ]
    kept.sort(key=lambda ca: (ca.until, ca.certificate))
    return tuple(kept[-MOST_PREVIOUS:])


def _last_leaf_ends(ca: bytes, leaves: tuple[Pair | None, ...], policy: Policy, now: datetime) -> datetime:
    ends = [ends_at(leaf.certificate) for leaf in leaves if leaf is not None and is_issued_by(leaf.certificate, ca)]
    longest = (now + policy.leaf_lifetime).replace(microsecond=0)
    return min(max(ends, default=longest), ends_at(ca))


def _difference(before: tuple[PreviousCa, ...], after: tuple[PreviousCa, ...]) -> str:
    old, new = ({ca.certificate for ca in cas} for cas in (before, after))
    if new - old:
        return "restored"
    return "expired" if old - new else "dated"
