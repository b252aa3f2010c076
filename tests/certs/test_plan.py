from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from certs.bundle_history import BundleHistory
from certs.issue import Names, Pair, issue_ca, issue_leaf
from certs.memory import Memory, Policy
from certs.pem import is_issued_by
from certs.plan import Step, next_step, serving_choice
from certs.repair import MOST_PREVIOUS, Change
from certs.state import PreviousCa, State

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NAMES = Names.parse(["webhook.eks.svc"])
POLICY = Policy()
CA, NEXT, FOREIGN = (issue_ca(NOW, common_name=name) for name in ("CA", "next", "foreign"))
LEAF, NEXT_LEAF, FOREIGN_LEAF = (issue_leaf(ca, NAMES, NOW) for ca in (CA, NEXT, FOREIGN))
GOOD = State(ca=CA, leaf=LEAF)
COLD = Memory(started=NOW - DAY)
WARM = Memory(started=NOW - DAY, state=GOOD, serving=LEAF)
CA_DUE = NOW + 2434 * DAY


def seen(*cas: Pair, since: datetime = NOW - DAY) -> BundleHistory:
    return BundleHistory({ca.certificate: since for ca in cas}, NOW)


def step(state: State, memory: Memory = COLD, history: BundleHistory | None = None, now: datetime = NOW) -> Step:
    return next_step(state, memory, history or BundleHistory(), NAMES, POLICY, now)


def changes(made: Step) -> list[tuple[str, str]]:
    return [(change.what, change.reason) for change in made.changes]


def test_an_empty_state_gets_a_ca_and_a_leaf_in_one_write() -> None:
    made = step(State())
    assert changes(made) == [("CA", "missing"), ("leaf", "missing")]
    assert made.state.ca is not None
    assert made.state.leaf is not None
    assert is_issued_by(made.state.leaf.certificate, made.state.ca.certificate)
    assert changes(step(made.state)) == []


def test_a_good_state_stays_until_the_leaf_is_due() -> None:
    assert step(GOOD) == Step(GOOD, (), NOW + 60 * DAY)


@pytest.mark.parametrize(("early", "expected"), [(MINUTE, []), (timedelta(), [("leaf", "due")])])
def test_a_due_leaf_is_renewed_by_the_same_ca(early: timedelta, expected: list[tuple[str, str]]) -> None:
    made = step(GOOD, WARM, seen(CA), NOW + 60 * DAY - early)
    assert changes(made) == expected
    assert made.state.ca == CA


def test_a_due_ca_is_only_announced() -> None:
    leaf = issue_leaf(CA, NAMES, CA_DUE)
    made = step(State(ca=CA, leaf=leaf), COLD, seen(CA), CA_DUE)
    assert changes(made) == [("next CA", "due")]
    assert made.state == State(ca=CA, leaf=leaf, next_ca=made.state.next_ca)
    assert made.state.next_ca is not None


@pytest.mark.parametrize("before", [timedelta(seconds=1), timedelta()])
def test_an_announced_ca_takes_over_when_it_has_been_published_for_the_whole_settling_time(before: timedelta) -> None:
    announced = State(ca=CA, leaf=LEAF, next_ca=NEXT)
    made = step(announced, WARM, seen(CA, NEXT, since=NOW - POLICY.settle + before))
    if before:
        assert made == Step(announced, (), NOW + before)
        return
    assert changes(made) == [("CA", "announced"), ("leaf", "CA changed")]
    assert made.state.ca == NEXT
    assert made.state.next_ca is None
    assert made.state.previous == (PreviousCa(CA.certificate, NOW + 90 * DAY),)
    assert made.state.leaf is not None
    assert is_issued_by(made.state.leaf.certificate, NEXT.certificate)


def test_an_announced_ca_that_is_not_published_never_takes_over_from_one_that_works() -> None:
    announced = State(ca=CA, leaf=LEAF, next_ca=NEXT)
    assert changes(step(announced, WARM, seen(CA), NOW + 59 * DAY)) == []


def test_a_previous_ca_is_dropped_when_its_last_leaf_has_expired() -> None:
    state = replace(GOOD, previous=(PreviousCa(NEXT.certificate, NOW + DAY),))
    assert step(state, COLD, now=NOW + DAY - MINUTE) == Step(state, (), NOW + DAY)
    made = step(state, COLD, now=NOW + DAY)
    assert (made.state, changes(made)) == (GOOD, [("previous CAs", "expired")])


def test_a_previous_ca_without_a_date_gets_one_by_which_every_leaf_has_expired() -> None:
    made = step(replace(GOOD, previous=(PreviousCa(NEXT.certificate, None),)))
    assert made.state.previous == (PreviousCa(NEXT.certificate, NOW + 90 * DAY),)
    assert changes(made) == [("previous CAs", "dated")]


def test_of_too_many_previous_cas_those_that_end_last_are_kept() -> None:
    cas = [issue_ca(NOW, common_name="old").certificate for _ in range(MOST_PREVIOUS + 2)]
    previous = tuple(PreviousCa(ca, NOW + (n + 1) * DAY) for n, ca in enumerate(cas))
    assert step(replace(GOOD, previous=previous)).state.previous == previous[2:]


FULL = State(ca=CA, leaf=LEAF, next_ca=NEXT, previous=(PreviousCa(FOREIGN.certificate, NOW + DAY),))


@pytest.mark.parametrize("lost", ["ca", "leaf", "next_ca", "previous"])
def test_a_lost_piece_comes_back_from_memory_as_it_was(lost: str) -> None:
    damaged = replace(FULL, **{lost: getattr(State(), lost)})
    made = step(damaged, Memory(NOW - DAY, FULL, LEAF), seen(CA, since=NOW))
    assert made.state == FULL
    assert [change.reason for change in made.changes] == ["restored"]


def test_a_deleted_secret_comes_back_from_memory_as_it_was() -> None:
    assert step(State(), Memory(NOW - DAY, FULL, LEAF)).state == FULL


def test_a_replica_with_a_slow_clock_does_not_restore_a_ca_that_another_dropped_as_expired() -> None:
    memory = replace(WARM, state=replace(GOOD, previous=(PreviousCa(NEXT.certificate, NOW + 4 * MINUTE),)))
    assert changes(step(GOOD, memory)) == []


def test_a_strange_ca_is_adopted_and_ours_stays_trusted_and_keeps_its_leaf_until_the_strange_one_has_settled() -> None:
    strange = State(ca=FOREIGN, leaf=FOREIGN_LEAF)
    made = step(strange, WARM, seen(CA))
    adopted = State(ca=FOREIGN, leaf=LEAF, previous=(PreviousCa(CA.certificate, NOW + 90 * DAY),))
    assert (made.state, changes(made)) == (adopted, [("previous CAs", "restored"), ("leaf", "restored")])
    later = NOW + POLICY.settle
    settled = step(adopted, replace(WARM, state=adopted), seen(CA, FOREIGN, since=NOW), later)
    assert changes(settled) == [("leaf", "CA changed")]


def test_a_ca_whose_key_is_lost_for_good_is_replaced_by_way_of_the_next_one() -> None:
    keyless = State(leaf=LEAF, previous=(PreviousCa(CA.certificate, None),))
    made = step(keyless, COLD, seen(CA))
    assert changes(made) == [("previous CAs", "dated"), ("next CA", "missing")]
    assert made.state.leaf == LEAF
    assert made.state.next_ca is not None
    promoted = step(made.state, COLD, seen(CA, made.state.next_ca))
    assert changes(promoted) == [("CA", "missing"), ("leaf", "CA changed")]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOW + 91 * DAY, [("leaf", "expired")]),
        (NOW - DAY, [("CA", "not yet valid"), ("leaf", "not yet valid")]),
        (NOW + 3651 * DAY, [("CA", "expired"), ("leaf", "expired")]),
    ],
)
def test_if_no_leaf_is_valid_nothing_waits(now: datetime, expected: list[tuple[str, str]]) -> None:
    made = step(GOOD, COLD, now=now)
    assert changes(made) == expected
    assert changes(step(made.state, COLD, now=now)) == []


def test_an_announced_ca_takes_over_at_once_if_nothing_else_is_left() -> None:
    made = step(State(next_ca=NEXT))
    assert changes(made) == [("CA", "missing"), ("leaf", "missing")]
    assert made.state.ca == NEXT


def test_a_request_for_a_ca_announces_one_and_a_request_for_a_leaf_makes_one() -> None:
    later = NOW + MINUTE
    asked = replace(GOOD, rotate_ca_after=later, rotate_leaf_after=later)
    assert step(asked, WARM, seen(CA)) == Step(asked, (), later)
    made = step(asked, WARM, seen(CA), later)
    assert changes(made) == [("next CA", "requested"), ("leaf", "requested")]


def test_replicas_that_want_different_names_take_turns_a_minute_apart() -> None:
    other = issue_leaf(CA, Names.parse(["other"]), NOW)
    state = State(ca=CA, leaf=other)
    assert step(state, WARM, seen(CA)) == Step(state, (), NOW + MINUTE)
    assert changes(step(state, WARM, seen(CA), NOW + MINUTE)) == [("leaf", "names changed")]


@pytest.mark.parametrize(("elapsed", "waiting"), [(timedelta(), True), (POLICY.patience, False)])
def test_a_new_replica_that_finds_a_strange_secret_lets_the_others_repair_it_first(
    elapsed: timedelta, *, waiting: bool
) -> None:
    made = step(State(), Memory(started=NOW), seen(CA, since=NOW), NOW + elapsed)
    assert made.waiting is waiting
    assert bool(made.changes) is not waiting
    if waiting:
        assert made.look_again == NOW + POLICY.patience


TRUSTS_BOTH = State(ca=NEXT, leaf=NEXT_LEAF, previous=(PreviousCa(CA.certificate, NOW + 90 * DAY),))


@pytest.mark.parametrize(
    ("serving", "history", "chosen"),
    [
        (None, seen(), None),
        (None, seen(CA), None),
        (None, seen(CA, NEXT, since=NOW), NEXT_LEAF),
        (LEAF, seen(CA), LEAF),
        (LEAF, seen(CA, NEXT, since=NOW), LEAF),
        (LEAF, seen(CA, NEXT), NEXT_LEAF),
        (LEAF, seen(NEXT, since=NOW), NEXT_LEAF),
        (LEAF, seen(), LEAF),
        (issue_leaf(NEXT, NAMES, NOW), seen(), NEXT_LEAF),
        (FOREIGN_LEAF, seen(NEXT, since=NOW), NEXT_LEAF),
    ],
)
def test_a_leaf_is_served_when_clients_trust_it_or_no_better_one_exists(
    serving: Pair | None, history: BundleHistory, chosen: Pair | None
) -> None:
    memory = Memory(NOW, TRUSTS_BOTH, serving)
    assert serving_choice(TRUSTS_BOTH, memory, history, POLICY, NOW) == chosen


def test_a_leaf_that_is_not_valid_never_replaces_one_that_is_served() -> None:
    assert serving_choice(TRUSTS_BOTH, WARM, seen(CA, NEXT), POLICY, NOW + 91 * DAY) == LEAF
    assert serving_choice(State(ca=CA), WARM, seen(CA), POLICY, NOW) == LEAF


def test_an_expired_leaf_gives_way_to_a_valid_one_whether_clients_trust_it_or_not() -> None:
    short = issue_leaf(CA, NAMES, NOW, lifetime=MINUTE)
    memory = Memory(NOW, TRUSTS_BOTH, short)
    assert serving_choice(TRUSTS_BOTH, memory, seen(CA), POLICY, NOW + MINUTE) == NEXT_LEAF


def test_the_bundle_history_starts_again_after_a_gap_a_silence_or_a_clock_that_was_set_back() -> None:
    ca = CA.certificate
    first = BundleHistory().observed([ca], NOW)
    assert first.observed([ca], NOW + 2 * MINUTE).since == {ca: NOW}
    assert first.observed([], NOW + MINUTE).observed([ca], NOW + 2 * MINUTE).since == {ca: NOW + 2 * MINUTE}
    assert first.observed([ca], NOW + 3 * MINUTE).since == {ca: NOW + 3 * MINUTE}
    assert first.observed([ca], NOW - MINUTE).since == {ca: NOW - MINUTE}


def test_no_step_shows_a_private_key() -> None:
    assert "PRIVATE" not in repr(step(FULL, Memory(NOW - DAY, FULL, LEAF)))
    assert repr(Change("CA", "due")) == "Change(what='CA', reason='due')"
