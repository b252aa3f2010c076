import logging
import os
from pathlib import Path

import pytest

from webhook.manifests import credentials_file
from webhook.manifests.credentials_file import CredentialsFile

ONE = b'{"identities": [{"namespace": "ci", "serviceAccount": "builder"}]}'
TWO = b'{"identities": [{"namespace": "ci", "serviceAccount": "builder"}, {"namespace": "x", "serviceAccount": "y"}]}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "credentials.json"


def settled(file: CredentialsFile) -> int:
    """Returns the number of identities after two checks, which load a change."""
    file.check()
    file.check()
    return len(file.identities)


def test_the_constructor_reads_the_file(path: Path) -> None:
    path.write_bytes(ONE)
    assert CredentialsFile(path).identities == {("ci", "builder")}


def test_a_file_that_appears_later_is_loaded(path: Path) -> None:
    file = CredentialsFile(path)
    assert (file.identities, file.failures) == (frozenset(), 0)
    path.write_bytes(ONE)
    assert settled(file) == 1


def test_a_changed_file_is_loaded_by_the_second_check_and_logged_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(ONE)
    file = CredentialsFile(path)
    caplog.set_level(logging.INFO)
    path.write_bytes(TWO)
    file.check()
    assert len(file.identities) == 1
    assert settled(file) == 2
    assert settled(file) == 2
    assert caplog.messages == [f"{path}: 2 identities with container credentials"]


def test_the_log_names_only_the_first_bad_entries(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    entries = ", ".join(f'{{"namespace": "ns-{number:02}", "serviceAccount": "*"}}' for number in range(12))
    path.write_text(f'{{"identities": [{entries}]}}')
    caplog.set_level(logging.WARNING)
    assert CredentialsFile(path).identities == frozenset()
    assert caplog.messages == [
        *(f"{path}: identity 'ns-{n:02}', '*' is without effect: globs are not known here" for n in range(10)),
        f"{path}: 2 more problems like these",
    ]


@pytest.mark.parametrize("revoked", [b"", b" \n", b"{}", b'{"identities": []}', b'{"identities": null}', b"null", None])
def test_an_empty_or_absent_file_revokes_all_identities(path: Path, revoked: bytes | None) -> None:
    path.write_bytes(TWO)
    file = CredentialsFile(path)
    if revoked is None:
        path.unlink()
    else:
        path.write_bytes(revoked)
    assert (settled(file), file.failures) == (0, 0)
    path.write_bytes(TWO)
    assert settled(file) == 2


def test_a_file_that_is_empty_only_for_a_moment_revokes_nothing(path: Path) -> None:
    path.write_bytes(ONE)
    file = CredentialsFile(path)
    path.write_bytes(b"")
    file.check()
    path.write_bytes(TWO)
    file.check()
    assert len(file.identities) == 1
    file.check()
    assert len(file.identities) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (TWO[:-3], "Input data was truncated"),
        (b"identities: []", "JSON is malformed: invalid character (byte 0)"),
        (b'{"identities": {}}', "Expected `array | null`, got `object` - at `$.identities`"),
        (
            b'{"identities": [{"namespace": "ci"}]}',
            "Object missing required field `serviceAccount` - at `$.identities[0]`",
        ),
        (b'{"identities": [{"namespace": 1, "serviceAccount": "x"}]}', "Expected `str`, got `int`"),
        (b'{"identities": [{"namespace": "\xff", "serviceAccount": "x"}]}', "'utf-8' codec can't decode byte 0xff"),
        (b'{"x":' * 100_000, "maximum recursion depth exceeded"),
    ],
    ids=["truncated", "yaml", "object", "missing", "wrong type", "not utf-8", "deep"],
)
def test_a_malformed_file_keeps_the_last_good_state_and_is_logged_and_counted_once(
    path: Path, caplog: pytest.LogCaptureFixture, content: bytes, reason: str
) -> None:
    path.write_bytes(TWO)
    file = CredentialsFile(path)
    path.write_bytes(content)
    assert settled(file) == 2
    assert settled(file) == 2
    assert file.failures == 1
    (message,) = caplog.messages
    assert message.startswith(f"{path}: {reason}")
    assert message.endswith("; keeping the last good state: 2 identities")
    path.write_bytes(ONE)
    assert (settled(file), file.failures) == (1, 1)


def test_a_file_malformed_at_start_means_no_identities_and_is_counted(path: Path) -> None:
    path.write_bytes(b"{")
    file = CredentialsFile(path)
    assert (file.identities, file.failures) == (frozenset(), 1)


def test_a_path_that_cannot_be_read_keeps_the_last_good_state_until_it_can(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(ONE)
    file = CredentialsFile(path)
    path.unlink()
    path.mkdir()
    assert (settled(file), settled(file), file.failures) == (1, 1, 1)
    assert caplog.messages == [f"{path}: Is a directory; keeping the last good state: 1 identities"]
    path.rmdir()
    path.write_bytes(TWO)
    assert settled(file) == 2


def test_a_file_that_is_too_large_is_not_loaded(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials_file, "_MAX_BYTES", len(ONE))
    path.write_bytes(ONE)
    file = CredentialsFile(path)
    path.write_bytes(ONE + b" ")
    assert (settled(file), file.failures) == (1, 1)
    assert caplog.messages == [f"{path}: larger than {len(ONE)} bytes; keeping the last good state: 1 identities"]


def test_a_swap_of_the_linked_folder_by_kubelet_is_noticed(tmp_path: Path) -> None:
    for name, content in (("old", ONE), ("new", TWO)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "credentials.json").write_bytes(content)
    link = tmp_path / "data"
    link.symlink_to("old")
    file = CredentialsFile(link / "credentials.json")
    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").replace(link)
    assert settled(file) == 2


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    os.mkfifo(path)

    assert CredentialsFile(path).identities == frozenset()
