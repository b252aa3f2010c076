import asyncio
import contextlib
import logging
import os
import ssl
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from certs.issue import Names, Pair, issue_ca, issue_leaf
from webhook.server.certificates.contexts import ServingContext, load_pair
from webhook.server.certificates.files import CertificateFiles
from webhook.server.certificates.tls_settings import TlsError, TlsSettings, parse_cipher_suites, parse_min_version

NOW = datetime.now(UTC).replace(microsecond=0)
CA = issue_ca(NOW, common_name="test CA")
NAMES = Names.parse(["hook.eks.svc", "127.0.0.1"])
OLD, NEW = (issue_leaf(CA, NAMES, NOW, lifetime=timedelta(days=days)) for days in (10, 20))
SETTINGS = TlsSettings()
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def client_context(*, newest: ssl.TLSVersion = TLS13) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=CA.certificate.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.maximum_version = newest
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


class Connection:
    """A client and a server after a handshake in memory. Raises the error of the first side that refuses."""

    def __init__(
        self, server: ssl.SSLContext, client: ssl.SSLContext | None = None, hostname: str | None = "hook.eks.svc"
    ) -> None:
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = (client or client_context()).wrap_bio(to_client, to_server, server_hostname=hostname)
        self.server = server.wrap_bio(to_server, to_client, server_side=True)
        for side in (self.client, self.server) * 3:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
        assert self.exchange(b"first") == b"first"

    def exchange(self, message: bytes) -> bytes:
        self.client.write(message)
        self.server.write(self.server.read())
        return self.client.read()

    @property
    def certificate(self) -> bytes:
        return certificate_of(self.client.getpeercert(binary_form=True))


def certificate_of(der: bytes | None) -> bytes:
    assert der is not None
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def write(directory: Path, *, certificate: bytes | None = None, key: bytes | None = None) -> None:
    """Replaces each file atomically, as careful writers do."""
    for name, content in (("tls.crt", certificate), ("tls.key", key)):
        if content is not None:
            (directory / "new").write_bytes(content)
            (directory / "new").replace(directory / name)


def files(directory: Path, settings: TlsSettings = SETTINGS) -> CertificateFiles:
    write(directory, certificate=OLD.certificate, key=OLD.private_key)
    return CertificateFiles(directory / "tls.crt", directory / "tls.key", ServingContext(settings))


def served(pair: Pair, settings: TlsSettings = SETTINGS) -> ServingContext:
    serving = ServingContext(settings)
    serving.serve(pair)
    return serving


def encrypted_key(pair: Pair) -> bytes:
    key = load_pem_private_key(pair.private_key, password=None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


# Settings


@pytest.mark.parametrize(
    ("text", "version", "notice"),
    [
        ("1.0", TLS12, "TLS 1.0 is no longer safe: the minimum is TLS 1.2"),
        ("1.1", TLS12, "TLS 1.1 is no longer safe: the minimum is TLS 1.2"),
        ("1.2", TLS12, None),
        ("1.3", TLS13, None),
        ("VersionTLS10", TLS12, "TLS 1.0 is no longer safe: the minimum is TLS 1.2"),
        ("VersionTLS11", TLS12, "TLS 1.1 is no longer safe: the minimum is TLS 1.2"),
        ("VersionTLS12", TLS12, None),
        (" VersionTLS13 ", TLS13, None),
    ],
)
def test_a_minimum_version_may_be_a_number_or_a_name_of_go(
    text: str, version: ssl.TLSVersion, notice: str | None
) -> None:
    assert parse_min_version(text) == (version, notice)


@pytest.mark.parametrize("text", ["", "1", "1.4", "TLS1.2", "VersionTLS1", "VersionTLS14", "VersionTLS1.2", "SSLv3"])
def test_an_unknown_minimum_version_is_refused_and_the_error_lists_the_allowed_ones(text: str) -> None:
    with pytest.raises(TlsError) as refused:
        parse_min_version(text)
    assert str(refused.value) == (
        f"unknown TLS version {text!r}: use one of 1.0, 1.1, 1.2, 1.3,"
        " VersionTLS10, VersionTLS11, VersionTLS12, VersionTLS13"
    )


@pytest.mark.parametrize(
    ("text", "suites"),
    [
        ("", ()),
        (" , ", ()),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", ("ECDHE-RSA-AES128-GCM-SHA256",)),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", ("ECDHE-ECDSA-AES256-GCM-SHA384",)),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", ("ECDHE-RSA-CHACHA20-POLY1305",)),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", ("ECDHE-RSA-CHACHA20-POLY1305",)),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", ("ECDHE-ECDSA-AES128-SHA",)),
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", ("ECDHE-RSA-AES128-SHA256",)),
        ("TLS_RSA_WITH_AES_256_GCM_SHA384", ("AES256-GCM-SHA384",)),
        ("ECDHE-RSA-AES128-GCM-SHA256", ("ECDHE-RSA-AES128-GCM-SHA256",)),
        (
            "ECDHE-RSA-AES256-SHA, TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
            ("ECDHE-RSA-AES256-SHA", "AES128-SHA"),
        ),
    ],
)
def test_cipher_suites_may_have_the_names_of_go_or_openssl_and_keep_their_order(
    text: str, suites: tuple[str, ...]
) -> None:
    assert parse_cipher_suites(text) == (suites, None)


def test_suites_of_tls_1_3_cause_a_notice_because_nobody_can_choose_them() -> None:
    always_on = "all cipher suites of TLS 1.3 stay on, you cannot choose among them: TLS_AES_128_GCM_SHA256"
    assert parse_cipher_suites("TLS_AES_128_GCM_SHA256,AES128-SHA") == (
        ("TLS_AES_128_GCM_SHA256", "AES128-SHA"),
        always_on,
    )
    assert parse_cipher_suites("TLS_AES_128_GCM_SHA256") == (
        ("TLS_AES_128_GCM_SHA256",),
        f"{always_on}; TLS 1.2 is off, because none of its suites is set",
    )


@pytest.mark.parametrize(
    "unknown",
    ["TLS_ECDHE_RSA_WITH_RC4_128_SHA", "TLS_NOPE", "HIGH", "AECDH-AES128-SHA", "NULL-SHA256", "PSK-AES128-CBC-SHA"],
)
def test_the_error_names_an_unknown_or_unsafe_suite(unknown: str) -> None:
    with pytest.raises(TlsError, match=f"^unknown cipher suite '{unknown}': use names such as TLS_ECDHE_ECDSA_WITH_"):
        parse_cipher_suites(f"AES128-SHA,{unknown}")


def test_the_error_names_all_unknown_suites() -> None:
    with pytest.raises(TlsError, match=r"^unknown cipher suite 'A', 'B': "):
        parse_cipher_suites("A,AES128-SHA,B")


# Connections


def test_the_chosen_suite_is_what_a_tls_1_2_connection_uses() -> None:
    suites, _ = parse_cipher_suites("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA")
    settings = TlsSettings(cipher_suites=suites)
    serving = served(OLD, settings)
    client = client_context(newest=TLS12)
    client.set_ciphers("ALL")
    cipher = Connection(serving.outer, client).client.cipher()
    assert cipher is not None
    assert cipher[0] == "ECDHE-ECDSA-AES128-SHA"


@pytest.mark.parametrize(
    "settings",
    [TlsSettings(min_version=TLS13), TlsSettings(cipher_suites=("TLS_AES_128_GCM_SHA256",))],
    ids=["minimum version 1.3", "only suites of 1.3"],
)
def test_tls_1_2_is_refused_if_1_3_is_the_minimum(settings: TlsSettings) -> None:
    serving = served(OLD, settings)
    assert Connection(serving.outer).client.version() == "TLSv1.3"
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        Connection(serving.outer, client_context(newest=TLS12))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_tls_1_1_is_refused() -> None:
    serving = served(OLD)
    client = client_context()
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        Connection(serving.outer, client)
    assert Connection(serving.outer, client_context(newest=TLS12)).client.version() == "TLSv1.2"


def test_only_http_1_1_is_offered_and_no_session_ticket_is_sent() -> None:
    serving = served(OLD)
    for newest in (TLS12, TLS13):
        connection = Connection(serving.outer, client_context(newest=newest))
        assert connection.client.selected_alpn_protocol() == "http/1.1"
        assert connection.client.compression() is None
        session = connection.client.session
        assert session is None or not session.has_ticket
    only_h2 = client_context()
    only_h2.set_alpn_protocols(["h2"])
    assert Connection(serving.outer, only_h2).client.selected_alpn_protocol() is None


def test_renegotiation_and_compression_are_off_in_the_outer_context() -> None:
    serving = served(OLD)
    assert serving.outer.options & ssl.OP_NO_RENEGOTIATION
    assert serving.outer.options & ssl.OP_NO_COMPRESSION


# Unusable files


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


# Changes of the certificate


@pytest.mark.parametrize("newest", [TLS12, TLS13], ids=["TLS 1.2", "TLS 1.3"])
@pytest.mark.parametrize("hostname", ["hook.eks.svc", "127.0.0.1"], ids=["with server name", "without"])
def test_new_connections_get_the_new_certificate_and_established_ones_continue(
    newest: ssl.TLSVersion, hostname: str
) -> None:
    serving = served(OLD)
    before = Connection(serving.outer, client_context(newest=newest), hostname)
    assert before.certificate == OLD.certificate

    serving.serve(NEW)
    after = Connection(serving.outer, client_context(newest=newest), hostname)
    assert after.certificate == NEW.certificate
    assert after.client.selected_alpn_protocol() == "http/1.1"
    assert before.exchange(b"still here") == b"still here"
    assert before.certificate == OLD.certificate


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_listener_changes_its_certificate_without_losing_a_connection(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
        writer.write(line)
        assert await reader.readline() == line
        return certificate_of(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))

    async def walk() -> list[bytes]:
        serving = served(OLD)
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=serving.outer)
        port = server.sockets[0].getsockname()[1]
        async with server:
            established = await asyncio.open_connection("127.0.0.1", port, ssl=client_context())
            seen = [await ask(*established, b"before\n")]
            serving.serve(NEW)
            fresh = await asyncio.open_connection("127.0.0.1", port, ssl=client_context())
            seen += [await ask(*fresh, b"new\n"), await ask(*established, b"after\n")]
            for _, writer in (established, fresh):
                writer.close()
                await writer.wait_closed()
        return seen

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(asyncio.wait_for(walk(), 30)) == [OLD.certificate, NEW.certificate, OLD.certificate]


# Watching files


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
