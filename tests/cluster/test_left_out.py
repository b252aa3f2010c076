import pytest

from webhook.cluster.left_out import LeftOut


def test_counts_all_and_names_ten_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    left_out = LeftOut(clock=lambda: now[0])
    for number in range(1000):
        left_out.note("tenant", f"a{number}", "300000 bytes")
    assert left_out.count == 1000
    assert caplog.messages == [
        f"ServiceAccount tenant/a{number}: 300000 bytes: too large for the cache, so each of its pods needs a live read"
        for number in range(10)
    ]
    now[0] = 160
    left_out.note("tenant", "b", "300000 bytes")
    assert caplog.messages[10:] == [
        "990 more ServiceAccounts were too large for the cache",
        "ServiceAccount tenant/b: 300000 bytes: too large for the cache, so each of its pods needs a live read",
    ]
