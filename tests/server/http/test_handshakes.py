"""Failed TLS handshakes, with real clients: what is counted, what is logged, and how often."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.files import write_pair
from certs.issue import Names, issue_ca, issue_leaf
from tests.server.http.conftest import every_loop
from tests.server.http.raw_tls import established, has_answer
from tests.server.http.serving import GET, App, connect, serving, until
from webhook.server.http.handshakes import Handshakes
from webhook.server.http.listener import Listener

UNTRUSTED = (
    "the client, most likely the API server, does not trust our certificate: is the caBundle right, and is the "
    "certificate valid for the Service's name?"
)
UNTRUSTED_BY_ANOTHER = (
    "a client does not trust our certificate: does it have the right CA? It is not the API server, which says 'bad "
    "certificate'"
)
VERSIONS = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"]
)
LOGGER = "webhook.server.http.handshakes"


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def fails(context: ssl.SSLContext, name: str) -> Callable[[int], None]:
    """A client whose handshake fails. On a plain socket, so that OpenSSL sends the alert itself."""

    def call(port: int) -> None:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            pytest.raises(ssl.SSLError),
            context.wrap_socket(plain, server_hostname=name) as conn,
        ):
            # With TLS 1.3, the client learns only from its first read that we refuse its certificate.
            conn.recv(1)

    return call


def client(version: ssl.TLSVersion, ca: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = context.maximum_version = version
    return context


def files_of(folder: Path, issued: datetime) -> tuple[Path, Path]:
    """The certificate and the key of a leaf for 127.0.0.1; its CA is in `ca.crt`."""
    ca = issue_ca(issued, common_name="another CA")
    files = write_pair(folder, ca.certificate, issue_leaf(ca, Names.parse(["127.0.0.1"]), issued))
    return files.certificate, files.private_key


async def failed(listener: Listener, count: int) -> None:
    await until(lambda: listener.failed_handshakes == count and listener.open_connections == 0)


@every_loop
@VERSIONS
async def test_a_client_that_does_not_know_our_ca_is_logged_with_its_alert_and_what_it_means(
    server_tls: ssl.SSLContext, version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(App(), tls=server_tls) as (listener, port):
        await asyncio.to_thread(fails(client(version), "127.0.0.1"), port)
        await failed(listener, 1)
    # A self-signed leaf is its own unknown CA.
    assert warnings_in(caplog) == [f"TLS handshake failed: unknown CA; {UNTRUSTED_BY_ANOTHER}"]
    (record,) = [record for record in caplog.records if record.name == LOGGER]
    fields = vars(record)["fields"]
    assert fields.pop("peer").startswith("127.0.0.1:")
    assert fields == {"failure": "unknown CA", "left_out": 0}


@every_loop
@VERSIONS
async def test_a_client_that_expects_another_name_is_logged_with_its_alert(
    server_tls: ssl.SSLContext, certificate: str, version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(App(), tls=server_tls) as (listener, port):
        await asyncio.to_thread(fails(client(version, certificate), "elsewhere.example"), port)
        await failed(listener, 1)
    assert warnings_in(caplog) == [f"TLS handshake failed: bad certificate; {UNTRUSTED}"]


@every_loop
@VERSIONS
async def test_a_client_without_the_certificate_that_we_ask_for_is_logged(
    server_tls: ssl.SSLContext, certificate: str, version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server_tls.load_verify_locations(certificate)

    async with serving(App(), tls=server_tls) as (listener, port):
        await asyncio.to_thread(fails(client(version, certificate), "127.0.0.1"), port)
        await failed(listener, 1)
    (warning,) = warnings_in(caplog)
    assert warning == (
        "TLS handshake failed: PEER_DID_NOT_RETURN_A_CERTIFICATE; --client-ca asks for a client certificate, and the "
        "client has none"
    )


@every_loop
async def test_a_client_that_speaks_an_older_tls_is_logged(
    server_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    server_tls.minimum_version = ssl.TLSVersion.TLSv1_3

    async with serving(App(), tls=server_tls) as (listener, port):
        await asyncio.to_thread(fails(client(ssl.TLSVersion.TLSv1_2), "127.0.0.1"), port)
        await failed(listener, 1)
    assert warnings_in(caplog) == [
        "TLS handshake failed: UNSUPPORTED_PROTOCOL; the client's TLS version is below --tls-min-version"
    ]


@every_loop
async def test_a_client_with_a_certificate_of_another_ca_is_logged(
    server_tls: ssl.SSLContext, certificate: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server_tls.load_verify_locations(certificate)
    stranger = client(ssl.TLSVersion.TLSv1_3, certificate)
    stranger.load_cert_chain(*files_of(tmp_path, datetime.now(UTC)))

    async with serving(App(), tls=server_tls) as (listener, port):
        await asyncio.to_thread(fails(stranger, "127.0.0.1"), port)
        await failed(listener, 1)
    (warning,) = warnings_in(caplog)
    assert warning == (
        "TLS handshake failed: CERTIFICATE_VERIFY_FAILED; the client's certificate does not come from --client-ca, or "
        "it has expired"
    )


@every_loop
async def test_a_client_that_finds_our_certificate_expired_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expired = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    expired.load_cert_chain(*files_of(tmp_path, datetime.now(UTC) - timedelta(days=2 * 365)))

    async with serving(App(), tls=expired) as (listener, port):
        trusting = client(ssl.TLSVersion.TLSv1_3, str(tmp_path / "ca.crt"))
        await asyncio.to_thread(fails(trusting, "127.0.0.1"), port)
        await failed(listener, 1)
    (warning,) = warnings_in(caplog)
    assert warning == (
        "TLS handshake failed: certificate expired; our certificate has expired, or the client's clock is wrong"
    )


@every_loop
async def test_a_client_without_a_cipher_suite_of_ours_is_logged(
    server_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    server_tls.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    other = client(ssl.TLSVersion.TLSv1_2)
    other.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")

    async with serving(App(), tls=server_tls) as (listener, port):
        await asyncio.to_thread(fails(other, "127.0.0.1"), port)
        await failed(listener, 1)
    (warning,) = warnings_in(caplog)
    assert warning == (
        "TLS handshake failed: NO_SHARED_CIPHER; the client has none of our cipher suites (--tls-cipher-suites)"
    )


@every_loop
async def test_a_client_that_speaks_http_without_tls_is_logged(
    server_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(App(), tls=server_tls) as (listener, port), connect(port) as plain:
        await plain.send(GET)
        await plain.closed()
        await failed(listener, 1)
    assert warnings_in(caplog) == ["TLS handshake failed: HTTP_REQUEST; the client speaks HTTP without TLS"]


@every_loop
@VERSIONS
@pytest.mark.parametrize("is_used", [False, True], ids=["before any request", "after a request"])
async def test_an_alert_after_our_side_has_finished_is_a_failed_handshake_unless_a_request_came(
    server_tls: ssl.SSLContext,
    certificate: str,
    version: ssl.TLSVersion,
    caplog: pytest.LogCaptureFixture,
    *,
    is_used: bool,
) -> None:
    def call(port: int) -> None:
        conn, tls, received, to_send = established(port, client(version, certificate))
        with conn:
            if is_used:
                tls.write(GET)
                conn.sendall(to_send.read())
                # Session tickets may come first: they are not the answer.
                while not has_answer(tls):
                    received.write(conn.recv(65536))
            # A record that nobody has encrypted for us: the client answers it with an alert.
            received.write(b"\x17\x03\x03\x00\x20" + bytes(32))
            with pytest.raises(ssl.SSLError, match="MAC"):
                tls.read(65536)
            conn.sendall(to_send.read())
            with suppress(ConnectionError):
                while conn.recv(65536):
                    pass

    async with serving(App(), tls=server_tls) as (listener, port):
        await asyncio.to_thread(call, port)
        await failed(listener, 0 if is_used else 1)
    assert warnings_in(caplog) == ([] if is_used else ["TLS handshake failed: bad record mac"])


@every_loop
async def test_a_tcp_probe_is_counted_and_not_logged(
    server_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(App(), tls=server_tls) as (listener, port):
        async with connect(port):
            await until(lambda: listener.open_connections == 1)
        await failed(listener, 1)
    assert warnings_in(caplog) == []


@every_loop
async def test_a_client_that_goes_away_in_its_handshake_is_logged(
    server_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    to_send = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), to_send, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()

    async with serving(App(), tls=server_tls) as (listener, port):
        async with connect(port) as plain:
            await plain.send(to_send.read())
            assert await plain.reader.read(1)
        await failed(listener, 1)
    assert warnings_in(caplog) == ["TLS handshake failed: the connection ended before the handshake did"]


@every_loop
async def test_a_good_client_leaves_no_line(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(App(), tls=server_tls) as (listener, port):
        async with connect(port, client_tls) as good:
            await good.ask(GET)
        await failed(listener, 0)
    assert warnings_in(caplog) == []


def test_of_each_failure_one_a_minute_is_logged_and_the_next_line_counts_those_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handshakes = Handshakes()
    for now, failure in (
        (100.0, "unknown CA"),
        (101.0, "unknown CA"),
        (101.0, "bad certificate"),
        (159.9, "unknown CA"),
        (160.0, "unknown CA"),
        (161.0, "unknown CA"),
        (300.0, "unknown CA"),
    ):
        handshakes.note_failure(failure, ("::ffff:10.0.0.1", 4321, 0, 0), now)

    assert [vars(record)["fields"] for record in caplog.records] == [
        {"failure": failure, "peer": "10.0.0.1:4321", "left_out": left_out}
        for failure, left_out in (("unknown CA", 0), ("bad certificate", 0), ("unknown CA", 2), ("unknown CA", 1))
    ]
    assert handshakes.failed == 7


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        (("10.0.0.1", 1), "10.0.0.1:1"),
        (("::ffff:10.0.0.1", 1, 0, 0), "10.0.0.1:1"),
        (("fd00::1", 1, 0, 0), "[fd00::1]:1"),
    ],
    ids=["IPv4", "IPv4 on a socket for both families", "IPv6"],
)
def test_a_peer_is_shown_as_admins_write_it(
    peer: tuple[str, int], shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    Handshakes().note_failure("unknown CA", peer, 0.0)

    (record,) = caplog.records
    assert vars(record)["fields"]["peer"] == shown
