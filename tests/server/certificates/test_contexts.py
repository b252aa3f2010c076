"""What connections get from a serving context, also after a change of its certificate."""

import asyncio
import ssl

import pytest

from tests.server.certificates.handshake import TLS12, TLS13, Connection, certificate_of, client_context, served
from tests.server.certificates.pairs import NEW, OLD
from webhook.server.certificates.tls_settings import TlsSettings, parse_cipher_suites


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


@pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"])
async def test_a_listener_changes_its_certificate_without_losing_a_connection() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
        writer.write(line)
        assert await reader.readline() == line
        return certificate_of(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))

    async with asyncio.timeout(30):
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
        assert seen == [OLD.certificate, NEW.certificate, OLD.certificate]
