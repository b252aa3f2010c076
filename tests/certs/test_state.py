from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from certs.issue import Names, issue_ca, issue_leaf
from certs.state import (
    ROTATE_CA_AFTER,
    ROTATE_LEAF_AFTER,
    PreviousCa,
    State,
    fingerprint,
    format_time,
    parse_time,
    read_state,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CA, NEXT, OLD, OLDER = (issue_ca(NOW, common_name=name) for name in ("CA", "next", "old", "older"))
LEAF = issue_leaf(CA, Names.parse(["webhook"]), NOW)
FULL = State(
    ca=CA,
    leaf=LEAF,
    next_ca=NEXT,
    previous=(PreviousCa(OLD.certificate, NOW + DAY), PreviousCa(OLDER.certificate, NOW + 2 * DAY)),
)


def test_a_state_is_read_as_it_was_written() -> None:
    assert read_state(FULL.data(), {}) == (FULL, ())


def test_an_empty_secret_and_one_with_empty_keys_hold_nothing_and_are_not_damaged() -> None:
    assert read_state({}, {}) == (State(), ())
    assert read_state(State().data(), {}) == (State(), ())
    assert set(State().data()) == set(FULL.data())


def test_requests_are_read_from_annotations_in_any_time_zone() -> None:
    annotations = {ROTATE_LEAF_AFTER: "2026-03-01T13:00:00+01:00", ROTATE_CA_AFTER: " 2026-03-02T12:00:00Z "}
    state, problems = read_state({}, annotations)
    assert (state.rotate_leaf_after, state.rotate_ca_after, problems) == (NOW, NOW + DAY, ())


@pytest.mark.parametrize("text", ["soon", "2026-03-01T12:00:00"])
def test_a_request_with_an_invalid_time_is_reported_and_ignored(text: str) -> None:
    state, problems = read_state({}, {ROTATE_CA_AFTER: text})
    assert state == State()
    assert problems == (f"the annotation {ROTATE_CA_AFTER} is not a time such as 2026-03-01T12:00:00Z",)


@pytest.mark.parametrize(
    ("damage", "expected", "problem"),
    [
        ({"tls.crt": b""}, replace(FULL, leaf=None), "tls.crt is empty"),
        ({"tls.key": b" \n"}, replace(FULL, leaf=None), "tls.key is empty"),
        ({"tls.crt": b"x"}, replace(FULL, leaf=None), "tls.crt and tls.key: the certificate cannot be read"),
        ({"tls.key": b"x"}, replace(FULL, leaf=None), "tls.crt and tls.key: the private key cannot be read"),
        ({"tls.key": CA.private_key}, replace(FULL, leaf=None), "tls.key does not belong to tls.crt"),
        ({"next-ca.key": b""}, replace(FULL, next_ca=None), "next-ca.key is empty"),
        ({"ca.crt": b"\xff\xfe"}, replace(FULL, ca=None), "ca.crt and ca.key: the certificate cannot be read"),
        (
            {"previous-ca.crt": OLD.certificate + OLDER.certificate.replace(b"M", b"!", 1)},
            replace(FULL, previous=FULL.previous[:1]),
            "previous-ca.crt has certificates that cannot be read",
        ),
        ({"previous-ca.crt": b"x"}, replace(FULL, previous=()), "previous-ca.crt has certificates that cannot be read"),
        (
            {"previous-ca-until": f"{fingerprint(OLD.certificate)} {format_time(NOW + DAY)}\nx".encode()},
            replace(FULL, previous=(FULL.previous[0], PreviousCa(OLDER.certificate, None))),
            "previous-ca-until has a line that is not a fingerprint and a time",
        ),
    ],
)
def test_a_damaged_piece_is_left_out_and_named(damage: dict[str, bytes], expected: State, problem: str) -> None:
    assert read_state({**FULL.data(), **damage}, {}) == (expected, (problem,))


def test_a_ca_without_its_key_that_signed_the_leaf_stays_trusted() -> None:
    state, problems = read_state({**FULL.data(), "ca.key": b""}, {})
    assert state == replace(FULL, ca=None, previous=(*FULL.previous, PreviousCa(CA.certificate, None)))
    assert problems == ("ca.key is empty",)


def test_a_ca_without_its_key_that_signed_nothing_of_ours_is_not_trusted() -> None:
    state, _ = read_state({**FULL.data(), "ca.crt": issue_ca(NOW, common_name="other").certificate}, {})
    assert state == replace(FULL, ca=None)


def test_the_bundle_holds_each_ca_once_in_order_and_none_that_has_expired() -> None:
    again = replace(FULL, previous=(PreviousCa(CA.certificate, NOW), *FULL.previous))
    assert FULL.bundle(NOW) == again.bundle(NOW)
    assert FULL.bundle(NOW) == CA.certificate + NEXT.certificate + OLD.certificate + OLDER.certificate
    assert FULL.bundle(NOW + 3650 * DAY) == b""


def test_certificates_are_compared_as_certificates_however_they_were_pasted() -> None:
    pasted = {**FULL.data(), "ca.crt": b"my CA:\r\n" + CA.certificate.replace(b"\n", b"\r\n")}
    assert read_state(pasted, {}) == (FULL, ())


def test_no_representation_shows_a_private_key() -> None:
    assert "PRIVATE" not in repr(FULL)


def test_times_are_written_in_utc_and_whole_seconds() -> None:
    assert format_time(parse_time("2026-03-01T13:00:00.9+01:00")) == "2026-03-01T12:00:00Z"
