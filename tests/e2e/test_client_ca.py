"""`--client-ca`: only the API server may call us, with the client certificate that it uses for webhooks."""

import json
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.issue import Pair, issue_ca
from certs.renewal import issued_at
from certs.state import ROTATE_LEAF_AFTER, format_time
from tests.e2e.cluster import Cluster
from tests.e2e.objects import ROLE
from tests.e2e.replicas import Replicas
from tests.e2e.waiting import wait_until

_REQUEST = b"POST /mutate HTTP/1.1\r\nHost: webhook\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
_FAILED = "failed_tls_handshakes_total"


@pytest.fixture
def client_ca() -> Pair:
    return issue_ca(datetime.now(UTC), common_name="CA of the API server's clients")


@pytest.fixture
def api_server_pem(client_ca: Pair, tmp_path: Path) -> Path:
    return _client_certificate(client_ca, tmp_path / "api-server.pem")


@pytest.fixture
def calling_cluster(api_server_pem: Path, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose API server sends a client certificate to every webhook."""
    kubeconfig = tmp_path / "webhooks.kubeconfig"
    user = {"client-certificate": str(api_server_pem), "client-key": str(api_server_pem)}
    kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "users": [{"name": "*", "user": user}]}))
    admission = tmp_path / "admission.json"
    webhooks = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "WebhookAdmissionConfiguration",
        "kubeConfigFile": str(kubeconfig),
    }
    plugin = {"name": "MutatingAdmissionWebhook", "configuration": webhooks}
    admission.write_text(
        json.dumps({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": [plugin]})
    )
    directory = tmp_path / "cluster"
    directory.mkdir()
    own = Cluster(directory, api_server_flags=[f"--admission-control-config-file={admission}"])
    try:
        own.start()
        yield own
    finally:
        own.remove()


def test_only_the_api_server_is_accepted_by_its_certificate_even_after_a_renewal(
    calling_cluster: Cluster, client_ca: Pair, api_server_pem: Path, tmp_path: Path
) -> None:
    trusted = tmp_path / "client-ca.pem"
    trusted.write_bytes(client_ca.certificate)
    stranger = _client_certificate(issue_ca(datetime.now(UTC), common_name="another CA"), tmp_path / "stranger.pem")
    release = Replicas(calling_cluster, tmp_path, 1, f"--client-ca={trusted}")
    (replica,) = release.replicas
    try:
        release.launch()
        replica.wait_until_ready()
        release.wait_until_injected()
        first = release.state()
        assert first is not None
        assert first.leaf is not None
        _assert_only(api_server_pem, stranger, release)

        release.annotate_secret(**{ROTATE_LEAF_AFTER: format_time(issued_at(first.leaf) + timedelta(seconds=1))})
        serving = "serving the certificate until"
        wait_until(lambda: replica.log.count(serving) == 2, "another leaf", within=20, last_seen=release.last_lines)
        before = release.balancer.connections
        release.balancer.end_idle_connections()
        assert release.create_pod() == ROLE
        assert release.balancer.connections > before
        _assert_only(api_server_pem, stranger, release)

        # If the trusted CA changes, the webhook no longer accepts the API server's certificate, and pods are refused.
        trusted.write_bytes(issue_ca(datetime.now(UTC), common_name="another CA").certificate)
        wait_until(lambda: "loaded the CAs for clients" in replica.log, "the change", within=20)
        release.balancer.end_idle_connections()
        assert not release.is_injected()
        assert replica.is_ready()
    finally:
        release.remove()


def _assert_only(let_in: Path, stranger: Path, release: Replicas) -> None:
    assert _answer(release, let_in) == "HTTP/1.1 415 Unsupported Media Type"
    before = release.sum_of(_FAILED)
    assert _answer(release, None) == ""
    assert _answer(release, stranger) == ""
    wait_until(lambda: release.sum_of(_FAILED) == before + 2, "failed handshakes in the metrics", within=10)


def _answer(release: Replicas, certificate: Path | None) -> str:
    """Returns the first line of the answer to a client with this certificate; empty if TLS failed."""
    backend = release.replicas[0].backend()
    state = release.state()
    assert backend is not None
    assert state is not None
    context = ssl.create_default_context(cadata=state.bundle(datetime.now(UTC)).decode())
    if certificate is not None:
        context.load_cert_chain(certificate)
    name = f"{release.service.name}.{release.namespace}.svc"
    try:
        with (
            socket.create_connection(("127.0.0.1", backend.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=name) as connection,
        ):
            connection.sendall(_REQUEST)
            return connection.recv(4096).partition(b"\r\n")[0].decode()
    except (ssl.SSLError, ConnectionError):
        return ""


def _client_certificate(ca: Pair, file: Path) -> Path:
    """Writes a client certificate and its key to one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(ca.certificate)
    signing = load_pem_private_key(ca.private_key, None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(signing, SHA256())
    )
    file.write_bytes(
        signed.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    file.chmod(0o600)
    return file
