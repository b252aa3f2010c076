"""Certificate files: what is served after they change."""

import logging
import os
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from certs.issue import Pair, issue_leaf
from tests.server.certificates.handshake import TLS12, TLS13, Connection, client_context
from tests.server.certificates.pairs import CA, NAMES, NEW, NOW, OLD, SETTINGS, write
from webhook.server.certificates.contexts import ServingContext
from webhook.server.certificates.files import CertificateFiles
from webhook.server.certificates.tls_settings import TlsError, TlsSettings


def files(directory: Path, settings: TlsSettings = SETTINGS) -> CertificateFiles:
    write(directory, certificate=OLD.certificate, key=OLD.private_key)
    return CertificateFiles(directory / "tls.crt", directory / "tls.key", ServingContext(settings))


def settled(watched: CertificateFiles) -> bool:
    """Whether the second check loads a change; the first one must not, because the files have not settled."""
    assert not watched.check()
    return watched.check()


def test_files_that_do_not_change_are_not_loaded_again(tmp_path: Path) -> None:
    watched = files(tmp_path)
    assert [watched.check() for _ in range(3)] == [False, False, False]
    assert (watched.reloads, watched.failures, watched.serving.not_after) == (0, 0, NOW + timedelta(days=10))
    assert Connection(watched.serving.outer).certificate == OLD.certificate


def test_files_that_cannot_be_served_at_the_start_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match=r"tls\.crt: No such file or directory$"):
        CertificateFiles(tmp_path / "tls.crt", tmp_path / "tls.key", ServingContext(SETTINGS))


def test_replaced_files_are_served_after_the_next_check(tmp_path: Path) -> None:
    watched = files(tmp_path)
    write(tmp_path, certificate=NEW.certificate, key=NEW.private_key)
    assert Connection(watched.serving.outer).certificate == OLD.certificate
    assert settled(watched)
    assert not settled(watched)
    assert (watched.reloads, watched.failures, watched.serving.not_after) == (1, 0, NOW + timedelta(days=20))
    assert Connection(watched.serving.outer).certificate == NEW.certificate


def test_the_swap_of_a_mounted_secret_is_seen_through_its_symlinks(tmp_path: Path) -> None:
    for name, pair in (("..old", OLD), ("..new", NEW)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, certificate=pair.certificate, key=pair.private_key)
        for file in (tmp_path / name).iterdir():
            os.utime(file, (0, 0))
    (tmp_path / "..data").symlink_to("..old")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(Path("..data", name))
    watched = CertificateFiles(tmp_path / "tls.crt", tmp_path / "tls.key", ServingContext(SETTINGS))
    assert not settled(watched)

    (tmp_path / "..data_tmp").symlink_to("..new")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert settled(watched)
    assert Connection(watched.serving.outer).certificate == NEW.certificate
    assert (watched.reloads, watched.failures) == (1, 0)


def test_a_pair_replaced_file_by_file_fails_once_and_then_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = files(tmp_path)
    end = (NOW + timedelta(days=10)).isoformat()
    write(tmp_path, certificate=NEW.certificate)
    assert [watched.check() for _ in range(3)] == [False, False, False]
    assert (watched.reloads, watched.failures, watched.serving.not_after) == (0, 1, NOW + timedelta(days=10))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "ERROR",
            (
                f"{tmp_path}/tls.key is not the private key of {tmp_path}/tls.crt; "
                f"the old certificate stays in use, until {end}"
            ),
        )
    ]
    assert Connection(watched.serving.outer).certificate == OLD.certificate

    write(tmp_path, key=NEW.private_key)
    assert settled(watched)
    assert (watched.reloads, watched.failures, watched.serving.not_after) == (1, 1, NOW + timedelta(days=20))
    assert Connection(watched.serving.outer).certificate == NEW.certificate


def test_each_bad_change_is_counted_and_the_old_certificate_stays(tmp_path: Path) -> None:
    watched = files(tmp_path)
    (tmp_path / "tls.key").unlink()
    assert not settled(watched)
    write(tmp_path, key=b"garbage")
    assert not settled(watched)
    (tmp_path / "tls.crt").write_bytes(OLD.certificate[:100])
    assert not settled(watched)
    assert (watched.reloads, watched.failures) == (0, 3)
    assert Connection(watched.serving.outer).certificate == OLD.certificate
    write(tmp_path, certificate=OLD.certificate, key=OLD.private_key)
    assert settled(watched)
    assert (watched.reloads, watched.failures) == (1, 3)


class ReplacedMeanwhile(ServingContext):
    """Replaces the pair in `folder` once while somebody loads it, and refuses the loaded one."""

    folder: Path | None = None
    pair: Pair

    def serve(self, pair: Pair, *, cert_name: str = "", key_name: str = "") -> None:
        if self.folder is not None:
            write(self.folder, certificate=self.pair.certificate, key=self.pair.private_key)
            self.folder = None
            raise TlsError("half of one pair and half of another")
        super().serve(pair, cert_name=cert_name, key_name=key_name)


def test_a_pair_that_is_replaced_during_reading_is_not_a_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, certificate=OLD.certificate, key=OLD.private_key)
    serving = ReplacedMeanwhile(SETTINGS)
    watched = CertificateFiles(tmp_path / "tls.crt", tmp_path / "tls.key", serving)
    write(tmp_path, certificate=NEW.certificate, key=NEW.private_key)
    serving.folder, serving.pair = tmp_path, issue_leaf(CA, NAMES, NOW, lifetime=timedelta(days=30))
    caplog.set_level(logging.ERROR)
    assert not settled(watched)
    assert settled(watched)
    assert (watched.reloads, watched.failures, caplog.records) == (1, 0, [])
    assert Connection(watched.serving.outer).certificate == serving.pair.certificate
    assert not settled(watched)


def test_the_minimum_version_holds_after_a_change_of_files(tmp_path: Path) -> None:
    watched = files(tmp_path, TlsSettings(min_version=TLS13))
    write(tmp_path, certificate=NEW.certificate, key=NEW.private_key)
    assert settled(watched)
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        Connection(watched.serving.outer, client_context(newest=TLS12))
