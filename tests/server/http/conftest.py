"""Fixtures of the listener's tests: they run under uvloop and under asyncio's own loop, with handlers and without."""

import datetime as dt
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.server.http.serving import App

# With has_handlers, the listener answers some paths by handlers of the App, as in the webhook.
_UVLOOP = ("asyncio", {"use_uvloop": True})
every_loop = pytest.mark.parametrize(
    ("anyio_backend", "has_handlers"),
    [(_UVLOOP, False), ("asyncio", False), (_UVLOOP, True)],
    ids=["uvloop", "asyncio", "handlers"],
)


@pytest.fixture
def has_handlers() -> bool:
    return False


@pytest.fixture(autouse=True)
def _handlers(monkeypatch: pytest.MonkeyPatch, *, has_handlers: bool) -> None:
    monkeypatch.setattr(App, "has_handlers", has_handlers)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    leaf = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = leaf.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "pair.pem"
    path.write_bytes(pem)
    return str(path)


@pytest.fixture
def server_tls(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_tls(certificate: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)
