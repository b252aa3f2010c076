"""Certificates for the API server of one test and for its client."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Pki:
    """A CA for one test, with a server certificate and a client certificate below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")])
        self.ca = folder / "ca.crt"
        self.ca.write_bytes(self._issue(self._name, self._key, is_ca=True))
        self.server = self._pair(folder / "server", "server")
        self.client = self._pair(folder / "client", "client")

    def context(self, *, asks_for_certificates: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.server)
        context.load_verify_locations(self.ca)
        if asks_for_certificates:
            context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def _pair(self, path: Path, common_name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
        certificate, private = path.with_suffix(".crt"), path.with_suffix(".key")
        certificate.write_bytes(self._issue(name, key))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, private

    def _issue(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_ca: bool = False) -> bytes:
        """Issues a certificate without the extensions that a strict verifier requires, as in many old clusters."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
