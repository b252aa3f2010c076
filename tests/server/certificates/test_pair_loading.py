"""Pairs that cannot be loaded, or only with a warning, and how a pair gets to OpenSSL."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from certs.issue import Pair, issue_ca, issue_leaf
from tests.server.certificates.handshake import Connection
from tests.server.certificates.pairs import CA, NAMES, NEW, NOW, OLD, SETTINGS, write
from webhook.server.certificates.contexts import ServingContext, load_pair
from webhook.server.certificates.files import CertificateFiles
from webhook.server.certificates.tls_settings import TlsError


def encrypted_key(pair: Pair) -> bytes:
    key = load_pem_private_key(pair.private_key, password=None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize("bad", ["tls.crt", "tls.key"])
def test_the_error_names_a_missing_or_unreadable_file(bad: str, tmp_path: Path) -> None:
    write(tmp_path, certificate=OLD.certificate, key=OLD.private_key)
    (tmp_path / bad).unlink()
    with pytest.raises(TlsError, match=f"^cannot read {tmp_path / bad}: No such file or directory$"):
        CertificateFiles(tmp_path / "tls.crt", tmp_path / "tls.key", ServingContext(SETTINGS))
    (tmp_path / bad).mkdir()
    with pytest.raises(TlsError, match=f"^cannot read {tmp_path / bad}: Is a directory$"):
        CertificateFiles(tmp_path / "tls.crt", tmp_path / "tls.key", ServingContext(SETTINGS))


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Switches to another user: tests in a container run as root, who may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_the_error_names_a_file_without_permission() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write(directory, certificate=OLD.certificate, key=OLD.private_key)
        (directory / "tls.key").chmod(0)
        directory.chmod(0o755)
        with unprivileged(), pytest.raises(TlsError, match=f"^cannot read {directory}/tls.key: Permission denied$"):
            CertificateFiles(directory / "tls.crt", directory / "tls.key", ServingContext(SETTINGS))


def weak_key() -> bytes:
    key = rsa.generate_private_key(65537, 1024)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("certificate", "key", "message"),
    [
        (b"", OLD.private_key, "CRT holds no certificate in PEM"),
        (OLD.certificate[:100], OLD.private_key, "CRT holds no certificate in PEM"),
        (OLD.private_key, OLD.private_key, "CRT holds no certificate in PEM"),
        (OLD.certificate, b"", "KEY holds no private key in PEM"),
        (OLD.certificate, OLD.certificate, "KEY holds no private key in PEM"),
        (OLD.certificate, NEW.private_key, "KEY is not the private key of CRT"),
        (OLD.certificate, weak_key(), "KEY is not the private key of CRT"),
        (
            OLD.certificate,
            encrypted_key(OLD),
            "KEY is encrypted: remove its passphrase",
        ),
    ],
    ids=[
        "empty certificate",
        "half a certificate",
        "a key as certificate",
        "empty key",
        "a certificate as key",
        "the key of another certificate",
        "a key of another kind",
        "an encrypted key",
    ],
)
def test_a_pair_that_cannot_be_served_is_refused_in_one_line(
    certificate: bytes, key: bytes, message: str, tmp_path: Path
) -> None:
    write(tmp_path, certificate=certificate, key=key)
    with pytest.raises(TlsError) as refused:
        CertificateFiles(tmp_path / "tls.crt", tmp_path / "tls.key", ServingContext(SETTINGS))
    assert str(refused.value) == message.replace("CRT", f"{tmp_path}/tls.crt").replace("KEY", f"{tmp_path}/tls.key")


def test_the_error_has_the_reason_of_openssl() -> None:
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([])
    signer = load_pem_private_key(CA.private_key, password=None)
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1)).sign(
        signer,  # type: ignore[arg-type]
        x509.load_pem_x509_certificate(CA.certificate).signature_hash_algorithm,  # type: ignore[arg-type]
    )
    pair = Pair(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    with pytest.raises(TlsError, match=r"^OpenSSL rejects the certificate or the private key: EE_KEY_TOO_SMALL$"):
        load_pair(pair, SETTINGS)


def test_a_truncated_chain_is_refused() -> None:
    cut = Pair(OLD.certificate + CA.certificate[:100], OLD.private_key)
    with pytest.raises(TlsError, match=r"^OpenSSL rejects the certificate or the private key: \S+$"):
        load_pair(cut, SETTINGS)


def test_an_expired_or_future_certificate_is_served_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    past = NOW - timedelta(days=2)
    expired = issue_leaf(issue_ca(past, common_name="past"), NAMES, past, lifetime=timedelta(days=1))
    future = NOW + timedelta(days=2)
    early = issue_leaf(issue_ca(future, common_name="future"), NAMES, future)
    assert load_pair(expired, SETTINGS).not_after == NOW - timedelta(days=1)
    load_pair(early, SETTINGS)
    load_pair(OLD, SETTINGS)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"the certificate expired at {(NOW - timedelta(days=1)).isoformat()}"),
        ("WARNING", f"the certificate is not valid before {(future - timedelta(hours=1)).isoformat()}"),
    ]


@pytest.mark.parametrize("gone", [True, False], ids=["unknown to the system", "forbidden"])
def test_without_memfd_a_pair_is_loaded_from_a_temporary_directory(
    gone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    class Watched(tempfile.TemporaryDirectory[str]):
        def __enter__(self) -> str:
            made.append(Path(self.name).stat().st_mode & 0o777)
            return super().__enter__()

    def forbidden(_: str) -> int:
        raise PermissionError

    if gone:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    else:
        monkeypatch.setattr(os, "memfd_create", forbidden, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryDirectory", Watched)
    assert Connection(load_pair(OLD, SETTINGS).context).certificate == OLD.certificate
    assert made == [0o700, 0o700]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no files in memory")
def test_a_pair_can_be_loaded_on_a_read_only_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert Connection(load_pair(OLD, SETTINGS).context).certificate == OLD.certificate
