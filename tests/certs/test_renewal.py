from datetime import UTC, datetime, timedelta

import pytest

from certs.issue import Names, Pair, issue_ca, issue_leaf
from certs.renewal import ca_renewal_reason, due_at, issued_at, renewal_reason, takes_effect_at

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
NAMES = Names.parse(["webhook.eks.svc", "127.0.0.1"])
CA = issue_ca(NOW, common_name="test CA")
OTHER_CA = issue_ca(NOW, common_name="test CA")
LEAF = issue_leaf(CA, NAMES, NOW)
SHORT_CA = issue_ca(NOW, common_name="short", lifetime=30 * DAY)
CLAMPED = issue_leaf(SHORT_CA, NAMES, NOW)
QUICK = issue_leaf(CA, NAMES, NOW, lifetime=timedelta(seconds=30))


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (-timedelta(hours=1) - MINUTE, "not yet valid"),
        (-timedelta(hours=1), None),
        (timedelta(), None),
        (60 * DAY - MINUTE, None),
        (60 * DAY, "due"),
        (60 * DAY + MINUTE, "due"),
        (90 * DAY - MINUTE, "due"),
        (90 * DAY, "expired"),
        (90 * DAY + MINUTE, "expired"),
    ],
)
def test_a_leaf_is_due_at_two_thirds_of_its_life_and_never_outside_of_it(at: timedelta, reason: str | None) -> None:
    assert renewal_reason(LEAF, CA, NAMES, NOW + at) == reason


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (-timedelta(hours=1) - MINUTE, "not yet valid"),
        (timedelta(), None),
        (3650 * DAY * 2 / 3 - MINUTE, None),
        (3650 * DAY * 2 / 3 + MINUTE, "due"),
        (3650 * DAY - MINUTE, "due"),
        (3650 * DAY, "expired"),
    ],
)
def test_a_ca_is_due_at_two_thirds_of_its_life(at: timedelta, reason: str | None) -> None:
    assert ca_renewal_reason(CA, NOW + at) == reason


@pytest.mark.parametrize(("second", "reason"), [(19, None), (20, "due"), (29, "due"), (30, "expired")])
def test_a_lifetime_of_seconds_is_counted_from_issuance_not_from_the_backdated_start(
    second: int, reason: str | None
) -> None:
    assert renewal_reason(QUICK, CA, NAMES, NOW + timedelta(seconds=second)) == reason


def test_a_leaf_that_ends_with_its_ca_is_not_due_before_its_end() -> None:
    assert due_at(CLAMPED, SHORT_CA) == NOW + 30 * DAY
    assert renewal_reason(CLAMPED, SHORT_CA, NAMES, NOW + 30 * DAY - MINUTE) is None
    assert renewal_reason(CLAMPED, SHORT_CA, NAMES, NOW + 30 * DAY) == "expired"


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        (None, "missing"),
        (Pair(b"", b""), "missing"),
        (Pair(LEAF.certificate, b""), "unreadable"),
        (Pair(b"", LEAF.private_key), "unreadable"),
        (Pair(LEAF.certificate[:200], LEAF.private_key), "unreadable"),
        (Pair(LEAF.certificate, LEAF.private_key[:100]), "unreadable"),
        (Pair(LEAF.certificate, CA.private_key), "key mismatch"),
        (issue_leaf(OTHER_CA, NAMES, NOW), "CA changed"),
        (CA, "names changed"),
        (issue_leaf(CA, Names.parse(["webhook.eks.svc"]), NOW), "names changed"),
        (issue_leaf(CA, Names.parse(["127.0.0.1"]), NOW), "names changed"),
        (issue_leaf(CA, Names.parse(["webhook.eks.svc", "127.0.0.1", "more"]), NOW), None),
    ],
)
def test_a_leaf_that_does_not_fit_is_replaced_for_its_gravest_fault(leaf: Pair | None, reason: str | None) -> None:
    assert renewal_reason(leaf, CA, NAMES, NOW) == reason


@pytest.mark.parametrize(
    ("ca", "reason"),
    [
        (None, "missing"),
        (Pair(CA.certificate, b"garbage"), "unreadable"),
        (Pair(CA.certificate, OTHER_CA.private_key), "key mismatch"),
        (LEAF, "not a CA"),
        (CA, None),
    ],
)
def test_a_ca_that_cannot_sign_is_replaced(ca: Pair | None, reason: str | None) -> None:
    assert ca_renewal_reason(ca, NOW) == reason


@pytest.mark.parametrize(
    ("requested", "at", "reason"),
    [
        (-MINUTE, timedelta(), None),
        (timedelta(), timedelta(), None),
        (MINUTE, timedelta(), None),
        (MINUTE, MINUTE, "requested"),
        (MINUTE, 2 * MINUTE, "requested"),
        (timedelta(milliseconds=1), timedelta(milliseconds=999), None),
        (timedelta(milliseconds=1), timedelta(seconds=1), "requested"),
    ],
)
def test_a_request_makes_older_certificates_due_but_not_before_its_time(
    requested: timedelta, at: timedelta, reason: str | None
) -> None:
    assert renewal_reason(LEAF, CA, NAMES, NOW + at, requested=NOW + requested) == reason
    assert ca_renewal_reason(CA, NOW + at, requested=NOW + requested) == reason


def test_a_certificate_issued_when_a_request_takes_effect_fulfils_it() -> None:
    requested = NOW + timedelta(milliseconds=400)
    effective = takes_effect_at(requested)
    renewed = issue_leaf(CA, NAMES, effective)
    assert issued_at(renewed) == effective
    assert renewal_reason(renewed, CA, NAMES, effective, requested=requested) is None
