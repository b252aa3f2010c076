"""TLS handshakes in memory."""

import contextlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.issue import Pair
from tests.server.certificates.pairs import CA, SETTINGS
from webhook.server.certificates.contexts import ServingContext
from webhook.server.certificates.tls_settings import TlsSettings

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


def served(pair: Pair, settings: TlsSettings = SETTINGS) -> ServingContext:
    serving = ServingContext(settings)
    serving.serve(pair)
    return serving
