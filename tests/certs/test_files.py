import errno
import os
import ssl
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from certs.errors import CannotWrite
from certs.files import PairFiles, ephemeral, write_pair
from certs.issue import Pair

PAIR = Pair(certificate=b"a certificate", private_key=b"a key")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Changes to an unprivileged user: tests in a container run as root, which may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o377], ids=oct)
def test_a_pair_and_its_ca_are_written_with_their_modes_whatever_the_umask(mask: int, tmp_path: Path) -> None:
    directory = tmp_path / "certs"
    with umask(mask):
        files = write_pair(directory, b"a CA", PAIR)
    assert files == PairFiles(directory / "ca.crt", directory / "tls.crt", directory / "tls.key")
    assert {path.name: (path.read_bytes(), mode_of(path)) for path in directory.iterdir()} == {
        "ca.crt": (b"a CA", 0o644),
        "tls.crt": (b"a certificate", 0o644),
        "tls.key": (b"a key", 0o600),
    }
    assert mode_of(directory) == 0o700


def test_the_key_is_readable_by_nobody_else_from_its_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    change_mode, sync = os.fchmod, os.fsync

    def spy(descriptor: int) -> None:
        found = os.fstat(descriptor)
        seen.append((stat.S_IMODE(found.st_mode), found.st_size))

    def spying_change_mode(descriptor: int, mode: int) -> None:
        spy(descriptor)
        change_mode(descriptor, mode)

    def spying_sync(descriptor: int) -> None:
        spy(descriptor)
        sync(descriptor)

    monkeypatch.setattr(os, "fchmod", spying_change_mode)
    monkeypatch.setattr(os, "fsync", spying_sync)
    with umask(0):
        write_pair(tmp_path, b"a CA", PAIR)
    assert seen == [(0o600, 0), (0o644, 4), (0o600, 0), (0o600, 5), (0o600, 0), (0o644, 13)]


def test_a_key_that_was_readable_by_all_is_replaced_by_one_that_is_not(tmp_path: Path) -> None:
    key = tmp_path / "tls.key"
    key.write_bytes(b"old key")
    key.chmod(0o666)
    with key.open("rb") as opened_before:
        write_pair(tmp_path, b"a CA", PAIR)
        assert opened_before.read() == b"old key"
    assert (key.read_bytes(), mode_of(key)) == (b"a key", 0o600)


def test_a_directory_that_is_there_keeps_its_mode_and_its_other_files(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "other").write_bytes(b"other")
    write_pair(tmp_path, b"a CA", PAIR)
    assert mode_of(tmp_path) == 0o755
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.crt", "other", "tls.crt", "tls.key"]


def test_a_file_in_the_place_of_the_directory_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(CannotWrite, match=f"^cannot write {file}: it is not a directory$"):
        write_pair(file, b"a CA", PAIR)
    with pytest.raises(CannotWrite, match=f"^cannot write {file}/below: a part of the path is not a directory$"):
        write_pair(file / "below", b"a CA", PAIR)


def test_a_missing_parent_is_named(tmp_path: Path) -> None:
    directory = tmp_path / "missing" / "certs"
    with pytest.raises(CannotWrite, match=f"^cannot write {directory}: its parent directory does not exist$"):
        write_pair(directory, b"a CA", PAIR)


def test_a_missing_permission_is_named() -> None:
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o555)
        with unprivileged(), pytest.raises(CannotWrite, match=f"^cannot write {parent}/certs: permission denied$"):
            write_pair(Path(parent, "certs"), b"a CA", PAIR)
        with unprivileged(), pytest.raises(CannotWrite, match=f"^cannot write {parent}/ca.crt: permission denied$"):
            write_pair(Path(parent), b"a CA", PAIR)
        Path(parent).chmod(0o700)


def test_a_read_only_file_system_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    # A test lacks the privileges to mount a read-only file system.
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(CannotWrite, match=f"^cannot write {tmp_path}/ca.crt: the file system is read-only$"):
        write_pair(tmp_path, b"a CA", PAIR)


def test_a_write_that_fails_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "tls.key").mkdir()
    with pytest.raises(CannotWrite, match=f"^cannot write {tmp_path}/tls.key: Is a directory$"):
        write_pair(tmp_path, b"a CA", PAIR)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.crt", "tls.key"]


@pytest.mark.parametrize("hostname", ["localhost", "127.0.0.1", "::1", "hook.aws.svc", "10.1.2.3"])
def test_an_ephemeral_pair_serves_this_machine_and_the_names_given(hostname: str, tmp_path: Path) -> None:
    files = ephemeral(tmp_path, ["hook.aws.svc", "10.1.2.3"], datetime.now(UTC))
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(files.certificate, files.private_key)
    client_context = ssl.create_default_context(cafile=str(files.ca))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=hostname)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert (client.version(), server.version()) == ("TLSv1.3", "TLSv1.3")


def test_the_key_of_an_ephemeral_ca_is_never_written(tmp_path: Path) -> None:
    files = ephemeral(tmp_path, [], datetime.now(UTC))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.crt", "tls.crt", "tls.key"]
    key = load_pem_private_key(files.private_key.read_bytes(), password=None)
    assert key.public_key() == x509.load_pem_x509_certificate(files.certificate.read_bytes()).public_key()
    ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
    assert key.public_key() != ca.public_key()
    assert files.ca.read_bytes() == ca.public_bytes(Encoding.PEM)
