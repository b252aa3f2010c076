from datetime import UTC, datetime, timedelta

from certs.write_contention import CALM, LONGEST_PAUSE, WriteContention

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_the_first_repair_is_made_at_once_and_the_pauses_then_double_up_to_five_minutes() -> None:
    contention, now, pauses = WriteContention(), NOW, []
    for _ in range(12):
        allowed = contention.may_write_at("bundle", now)
        pauses.append((allowed - now).total_seconds())
        now = allowed
        contention = contention.written("bundle", now)
    assert pauses == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert timedelta(seconds=300) == LONGEST_PAUSE


def test_new_content_is_written_at_once_and_starts_a_new_count() -> None:
    contention = WriteContention().written("old", NOW).written("old", NOW).written("old", NOW)
    assert contention.may_write_at("old", NOW) == NOW + 4 * SECOND
    assert contention.may_write_at("new", NOW) == NOW
    assert contention.written("new", NOW).may_write_at("new", NOW) == NOW + SECOND


def test_a_calm_period_ends_the_contention() -> None:
    contention = WriteContention().written("it", NOW).written("it", NOW).written("it", NOW)
    assert contention.is_on(NOW)
    assert contention.is_on(NOW + CALM - SECOND)
    assert not contention.is_on(NOW + CALM)
    assert contention.written("it", NOW + CALM).times == 1
    assert contention.written("it", NOW + CALM - SECOND).times == 4


def test_two_repairs_are_no_contention_yet() -> None:
    assert not WriteContention().written("it", NOW).written("it", NOW).is_on(NOW)


def test_a_clock_that_was_set_back_ends_the_pause() -> None:
    contention = WriteContention().written("it", NOW).written("it", NOW)
    assert contention.may_write_at("it", NOW - SECOND) == NOW - SECOND
