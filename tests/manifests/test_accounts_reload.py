"""Changes of manifests: what a store reads again, and what it keeps."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.manifests.account_files import SETTINGS, account, role_of, settled, warnings, write
from webhook.manifests.accounts import ManifestAccounts


def test_nothing_is_read_again_without_a_change(file: Path) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    assert not any(store.check() for _ in range(3))
    assert (store.reloads, store.failures, store.last_error) == (0, 0, "")


def test_a_change_is_loaded_once_it_has_settled(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    write(file, account("app", "half written"))
    assert not store.check()
    write(file, account("app", "b") + account("new", "c"))
    assert not store.check()
    assert role_of(store, "app") == "a"
    assert store.check()
    assert (role_of(store, "app"), role_of(store, "new")) == ("b", "c")
    assert not store.check()
    assert (store.reloads, store.failures, store.last_error) == (1, 0, "")
    assert caplog.messages == [
        f"{file}: 1 ServiceAccounts, 1 of them with a role, 0 role mappings",
        f"{file}: read again: 2 ServiceAccounts, 2 of them with a role, 0 role mappings",
    ]


def _rename(folder: Path) -> None:
    write(folder / "new.tmp", account("app", "b"))
    (folder / "new.tmp").replace(folder / "a.yaml")


@pytest.mark.parametrize(
    ("change", "roles"),
    [
        (lambda folder: write(folder / "a.yaml", account("app", "b")), ["b", None]),
        (_rename, ["b", None]),
        (lambda folder: write(folder / "b.yaml", account("new", "n")), ["a", "n"]),
        (lambda folder: (folder / "a.yaml").unlink(), [None, None]),
        (lambda folder: (folder / "a.yaml").rename(folder / ".a.yaml"), [None, None]),
        (lambda folder: (folder / "z.yaml").symlink_to(".outside"), ["a", "o"]),
    ],
    ids=["written", "replaced", "added", "removed", "hidden", "linked"],
)
def test_every_way_of_changing_a_folder_is_noticed(
    tmp_path: Path, change: Callable[[Path], object], roles: list[str | None]
) -> None:
    write(tmp_path / "a.yaml", account("app", "a"))
    write(tmp_path / ".outside", account("new", "o"))
    store = ManifestAccounts(tmp_path, SETTINGS)
    change(tmp_path)
    assert settled(store)
    assert [role_of(store, "app"), role_of(store, "new")] == roles


def test_a_replacement_of_the_same_size_and_time_is_noticed(file: Path) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    before = file.stat()
    other = file.with_name("other")
    other.write_text(account("app", "b"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert settled(store)
    assert role_of(store, "app") == "b"


@pytest.mark.parametrize("is_folder", [True, False])
def test_the_swap_of_a_mounted_config_map_is_noticed(tmp_path: Path, is_folder: bool) -> None:
    """The kubelet links files to ..data, links that to a dated folder, and replaces the link by a rename."""

    def publish(version: str, text: str) -> None:
        (tmp_path / version).mkdir()
        # The new files may have the same times as the old ones.
        (tmp_path / version / "sa.yaml").write_text(text)
        os.utime(tmp_path / version / "sa.yaml", (1_600_000_000, 1_600_000_000))
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    publish("..2024_01", account("app", "a"))
    (tmp_path / "sa.yaml").symlink_to("..data/sa.yaml")
    store = ManifestAccounts(tmp_path if is_folder else tmp_path / "sa.yaml", SETTINGS)
    assert role_of(store, "app") == "a"
    publish("..2024_02", account("app", "b"))
    (tmp_path / "..2024_01" / "sa.yaml").unlink()
    assert settled(store)
    assert (store.account_count, role_of(store, "app")) == (1, "b")
    assert not store.check()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (account("new", "n") + "{", "line 2: not JSON: Expecting property name enclosed in double quotes (column 2)"),
        (account("new", "n") + "{}", "line 2: kind: missing"),
        ('{"apiVersion": "v1", "kind": "ServiceAccount"}', "line 1: metadata.name: missing"),
    ],
)
def test_a_bad_file_keeps_the_last_good_state_and_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, problem: str
) -> None:
    write(tmp_path / "a.yaml", account("app", "a"))
    write(tmp_path / "b.json", account("other", "o"))
    store = ManifestAccounts(tmp_path, SETTINGS)
    write(tmp_path / "a.yaml", account("app", "b"))
    write(tmp_path / "b.json", text)
    assert not settled(store)
    assert not store.check()
    assert [role_of(store, name) for name in ("app", "other", "new")] == ["a", "o", None]
    assert store.last_error == f"{tmp_path}/b.json, {problem}"
    assert (store.reloads, store.failures) == (0, 1)
    assert warnings(caplog) == [f"{tmp_path}/b.json, {problem}; the old manifests stay in use"]

    write(tmp_path / "b.json", text + " ")
    assert not settled(store)
    assert store.failures == len(warnings(caplog)) == 2

    write(tmp_path / "b.json", account("other", "p"))
    assert settled(store)
    assert [role_of(store, name) for name in ("app", "other")] == ["b", "p"]
    assert (store.reloads, store.failures, store.last_error) == (1, 2, "")


def test_a_bad_file_is_not_read_again_until_it_changes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    write(file, "{}")
    assert not settled(store)

    def fail(*_: object) -> None:
        pytest.fail("it was read")

    monkeypatch.setattr(Path, "open", fail)
    assert not store.check()
    assert store.last_error == f"{file}, line 1: kind: missing"


def test_an_emptied_file_keeps_the_last_good_state(file: Path) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    write(file, "")
    assert not settled(store)
    assert role_of(store, "app") == "a"
    assert store.last_error == f"{file}: is empty: is somebody still writing it?"


def test_a_path_that_disappears_keeps_the_last_good_state_until_it_is_back(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    file.rename(file.with_name("away"))
    assert not settled(store)
    assert not store.check()
    assert role_of(store, "app") == "a"
    assert (store.last_error, store.failures) == (f"{file}: No such file or directory", 1)
    assert len(warnings(caplog)) == 1
    file.with_name("away").rename(file)
    assert settled(store)
    assert store.last_error == ""


def test_a_file_is_read_again_after_an_error_of_the_system_even_if_unchanged(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    write(file, account("app", "b"))

    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        assert not settled(store)
        assert not store.check()
    assert (role_of(store, "app"), store.failures, len(warnings(caplog))) == ("a", 1, 1)
    assert store.check()
    assert (role_of(store, "app"), store.last_error) == ("b", "")
    assert not store.check()
