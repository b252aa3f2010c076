"""The choice of the certificate source, and which clients may connect."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.issue import Names, Pair, issue_ca, issue_leaf
from tests.server.reviews import GOOD, JSON
from tests.server.webhook_process import serving, wait_until
from webhook.commands.flags.by_command import SERVE_FLAGS
from webhook.commands.flags.parsing import parse
from webhook.commands.flags.to_settings import is_self_managed
from webhook.errors import SettingsError
from webhook.server.settings import ServerSettings

NOW = datetime.now(UTC)
POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}


def client_certificate(ca: Pair, folder: Path, name: str) -> Path:
    """Writes a certificate for clients and its key to one file."""
    server = issue_leaf(ca, Names.parse([name]), NOW)
    leaf = x509.load_pem_x509_certificate(server.certificate)
    builder = (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(leaf.issuer)
        .public_key(leaf.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(leaf.not_valid_before_utc)
        .not_valid_after(leaf.not_valid_after_utc)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    signed = builder.sign(load_pem_private_key(ca.private_key, None), SHA256())  # type: ignore[arg-type]
    file = folder / f"{name}.pem"
    file.write_bytes(signed.public_bytes(Encoding.PEM) + server.private_key)
    return file


@pytest.mark.parametrize(
    ("flags", "environ", "self_managed"),
    [
        ([], {}, False),
        ([], POD, True),
        (["--in-cluster"], {}, True),
        (["--in-cluster=true", "--tls-cert=/certs/tls.crt"], POD, True),
        (["--in-cluster=false"], POD, False),
        (["--tls-cert=/certs/tls.crt"], POD, False),
        (["--tls_key=/certs/tls.key"], POD, False),
        (["--service-accounts=accounts.yaml"], POD, False),
        (["--ephemeral-certificate=certs"], POD, False),
        ([], POD | {"PIW_IN_CLUSTER": "false"}, False),
    ],
)
def test_the_certificate_is_self_managed_in_a_cluster_unless_another_is_set(
    flags: list[str], environ: Mapping[str, str], self_managed: bool
) -> None:
    assert is_self_managed(parse(SERVE_FLAGS, flags, environ), environ) == self_managed


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"self_managed": True, "service_accounts": Path("accounts")},
            "--service-accounts: cannot be used with --in-cluster=true: self-managed certificates need a cluster",
        ),
        (
            {"self_managed": True, "ephemeral_certificate": Path("certs")},
            "--ephemeral-certificate: cannot be used with --in-cluster=true (self-managed certificates)",
        ),
        (
            {"certificate_names": ("hook.test",)},
            "--certificate-names: has no effect with --tls-cert",
        ),
        (
            {"certificate_lifetime": 5.0},
            "--certificate-lifetime, --ca-lifetime: must be 10s to 876000h, and the CA's not shorter",
        ),
        (
            {"ca_lifetime": 3600.0, "ca_settle": 0.0},
            "--certificate-lifetime, --ca-lifetime: must be 10s to 876000h, and the CA's not shorter",
        ),
        (
            {"ca_lifetime": 600.0, "certificate_lifetime": 60.0, "ca_settle": 151.0},
            "--ca-settle: must be at most a quarter of --ca-lifetime",
        ),
        ({"webhook_configuration": "Ours"}, "--webhook-configuration: 'Ours' is not an object's name (DNS subdomain)"),
        ({"tls_secret": "../other"}, "--tls-secret: '../other' is not an object's name (DNS subdomain)"),
    ],
)
def test_invalid_certificate_settings_are_refused(settings: dict[str, object], problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        ServerSettings(**settings)  # type: ignore[arg-type]
    assert refused.value.problems == [problem]


def test_only_clients_of_the_ca_may_call_even_after_certificate_and_ca_change(tmp_path: Path) -> None:
    cas = {name: issue_ca(NOW, common_name=f"{name} CA") for name in ("known", "other")}
    clients = {name: client_certificate(ca, tmp_path, name) for name, ca in cas.items()}
    trusted = tmp_path / "clients.crt"
    trusted.write_bytes(cas["known"].certificate)

    with serving(tmp_path, f"--client-ca={trusted}") as webhook:

        def answer(client: str) -> object:
            """Returns the status, or that the server refused the connection."""
            context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
            if client != "nobody":
                context.load_cert_chain(clients[client])
            url = f"https://localhost:{webhook.port}/mutate"
            try:
                return httpx.post(url, content=GOOD, headers=JSON, verify=context, trust_env=False).status_code
            except httpx.TransportError:
                return "refused"

        def answers() -> dict[str, object]:
            return {client: answer(client) for client in ("known", "other", "nobody")}

        assert answers() == {"known": 200, "other": "refused", "nobody": "refused"}

        new = issue_leaf(ca := issue_ca(NOW, common_name="new CA"), Names.parse(["localhost"]), NOW)
        (tmp_path / "ca.crt").write_bytes(ca.certificate)
        (tmp_path / "tls.key").write_bytes(new.private_key)
        (tmp_path / "tls.crt").write_bytes(new.certificate)
        webhook.wait_for_log("serving the certificate in")
        assert answers() == {"known": 200, "other": "refused", "nobody": "refused"}

        trusted.write_text("no certificate")
        webhook.wait_for_log("the CA for clients holds no certificate in PEM; the old CAs for clients stay in use")
        assert answers() == {"known": 200, "other": "refused", "nobody": "refused"}
        assert "pod_identity_webhook_client_ca_failures_total 1" in webhook.get("/metrics").text

        trusted.write_bytes(cas["other"].certificate)
        wait_until(lambda: answer("other") == 200, "the other CA to be trusted")
        assert answers() == {"known": "refused", "other": 200, "nobody": "refused"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "--client-ca: cannot read {}: No such file or directory"),
        (b"", "--client-ca: {}: the CA for clients holds no certificate in PEM"),
        (b"garbage", "--client-ca: {}: the CA for clients holds no certificate in PEM"),
    ],
)
def test_an_unusable_ca_for_clients_is_an_error_at_start(tmp_path: Path, content: bytes | None, problem: str) -> None:
    file = tmp_path / "clients.crt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AssertionError) as refused, serving(tmp_path, f"--client-ca={file}"):
        pass
    assert f"pod-identity-webhook serve: {problem.format(file)}" in str(refused.value)
