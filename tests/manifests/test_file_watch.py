import asyncio
import errno
import os
from pathlib import Path

import pytest

from webhook.cluster.background import running
from webhook.manifests.file_watch import FileWatch, read_file, stamp, watch_files


class Files:
    """Files whose stamp the test sets."""

    def __init__(self) -> None:
        self.stamp = "first"

    def __call__(self) -> str:
        return self.stamp


def test_files_that_do_not_change_are_never_due() -> None:
    watch = FileWatch(Files())
    assert [watch.is_due() for _ in range(3)] == [False, False, False]


def test_a_change_is_due_once_when_it_has_settled() -> None:
    files = Files()
    watch = FileWatch(files)
    files.stamp = "second"
    assert [watch.is_due() for _ in range(4)] == [False, True, False, False]


def test_a_change_in_progress_is_not_due() -> None:
    files = Files()
    watch = FileWatch(files)
    due = []
    for now in ("emptied", "half", "whole", "whole"):
        files.stamp = now
        due.append(watch.is_due())
    assert due == [False, False, False, True]


def test_a_change_that_is_undone_is_not_due() -> None:
    files = Files()
    watch = FileWatch(files)
    files.stamp = "second"
    assert not watch.is_due()
    files.stamp = "first"
    assert [watch.is_due(), watch.is_due()] == [False, False]


def test_a_change_during_reading_is_noticed_and_due_later() -> None:
    files = Files()
    watch = FileWatch(files)
    files.stamp = "second"
    assert [watch.is_due(), watch.is_due(), watch.has_moved_on()] == [False, True, False]
    files.stamp = "third"
    assert watch.has_moved_on()
    assert [watch.is_due(), watch.is_due()] == [False, True]


def test_a_retry_is_due_without_a_change() -> None:
    watch = FileWatch(Files())
    watch.retry()
    assert [watch.is_due(), watch.is_due()] == [True, False]


def test_a_stamp_depends_on_content_link_target_and_existence(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    link.symlink_to(file)
    seen = [stamp(link)]
    file.write_bytes(b"1")
    seen.append(stamp(link))
    os.utime(file, (0, 0))
    seen.append(stamp(link))
    (tmp_path / "other").write_bytes(b"1")
    (tmp_path / "other").replace(file)
    seen.append(stamp(link))
    assert len(set(seen)) == 4
    assert seen[0] == (link, errno.ENOENT)


def test_a_file_is_read_completely_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"1234")
    assert read_file(file, 4) == b"1234"
    with pytest.raises(OSError, match="larger than 3 bytes"):
        read_file(file, 3)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is a pipe"):
        read_file(tmp_path / "pipe", 4)


async def test_a_failing_check_is_logged_and_the_others_continue(caplog: pytest.LogCaptureFixture) -> None:
    loop, called = asyncio.get_running_loop(), asyncio.Event()

    def broken() -> None:
        raise RuntimeError("broken")

    async with running(watch_files([broken, lambda: loop.call_soon_threadsafe(called.set)])):
        await asyncio.wait_for(called.wait(), 30)

    (record,) = caplog.records
    assert record.getMessage() == "a bug while looking for changed files"
    assert record.exc_info
