import contextlib
import ssl
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.errors import CannotIssue, CertificateError, InvalidName, InvalidPair
from certs.issue import Names, Pair, issue_ca, issue_leaf, service_names

NOW = datetime(2026, 3, 1, 12, 30, 15, 987654, tzinfo=UTC)
NAMES = Names.parse([*service_names("pod-identity-webhook", "eks"), "127.0.0.1", "::1"])
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


def certificate_of(pair: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate)


def usages_of(certificate: x509.Certificate) -> tuple[bool, set[str]]:
    extension = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    return extension.critical, {usage for usage in USAGES if getattr(extension.value, usage)}


def common_name_of(name: x509.Name) -> list[str | bytes]:
    return [attribute.value for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)]


def strict_handshake(leaf: Pair, trusted: bytes, hostname: str, directory: Path) -> None:
    """Raises the client's error."""
    combined = directory / "server.pem"
    combined.write_bytes(leaf.certificate + leaf.private_key)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(combined)
    client_context = ssl.create_default_context(cadata=trusted.decode())
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=hostname)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert client.getpeercert(binary_form=True) == certificate_of(leaf).public_bytes(Encoding.DER)
    assert server.version() == "TLSv1.3"


@pytest.mark.parametrize("hostname", [*service_names("pod-identity-webhook", "eks"), "127.0.0.1", "::1"])
def test_a_strict_client_accepts_the_leaf_by_each_of_its_names(hostname: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ca = issue_ca(now, common_name="test CA")
    strict_handshake(issue_leaf(ca, NAMES, now), ca.certificate, hostname, tmp_path)


@pytest.mark.parametrize("hostname", ["kubernetes.default", "127.0.0.2"])
def test_a_client_refuses_the_leaf_by_any_other_name(hostname: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ca = issue_ca(now, common_name="test CA")
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        strict_handshake(issue_leaf(ca, NAMES, now), ca.certificate, hostname, tmp_path)


def test_leaves_of_two_cas_of_one_name_both_verify_with_a_bundle_of_both(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    cas = [issue_ca(now, common_name="same name") for _ in range(2)]
    bundle = cas[0].certificate + cas[1].certificate
    for ca in cas:
        strict_handshake(issue_leaf(ca, NAMES, now), bundle, "pod-identity-webhook.eks.svc", tmp_path)


def test_a_ca_may_sign_leaves_and_nothing_else() -> None:
    ca = certificate_of(issue_ca(NOW, common_name="test CA"))
    identifier = x509.SubjectKeyIdentifier.from_public_key(ca.public_key())
    assert [(type(extension.value), extension.critical) for extension in ca.extensions] == [
        (x509.SubjectKeyIdentifier, False),
        (x509.BasicConstraints, True),
        (x509.KeyUsage, True),
        (x509.AuthorityKeyIdentifier, False),
    ]
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    assert usages_of(ca) == (True, {"key_cert_sign", "crl_sign"})
    assert ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value == identifier
    authority = ca.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority.key_identifier == identifier.digest
    assert ca.subject == ca.issuer
    assert common_name_of(ca.subject) == ["test CA"]


def test_a_leaf_may_serve_its_names_and_nothing_else() -> None:
    ca = issue_ca(NOW, common_name="test CA")
    leaf = certificate_of(issue_leaf(ca, NAMES, NOW))
    assert [(type(extension.value), extension.critical) for extension in leaf.extensions] == [
        (x509.SubjectKeyIdentifier, False),
        (x509.KeyUsage, True),
        (x509.ExtendedKeyUsage, False),
        (x509.SubjectAlternativeName, False),
        (x509.AuthorityKeyIdentifier, False),
    ]
    assert usages_of(leaf) == (True, {"digital_signature"})
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "pod-identity-webhook",
        "pod-identity-webhook.eks",
        "pod-identity-webhook.eks.svc",
        "pod-identity-webhook.eks.svc.cluster.local",
    ]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]
    assert common_name_of(leaf.subject) == ["pod-identity-webhook"]
    assert common_name_of(leaf.issuer) == ["test CA"]
    ca_identifier = certificate_of(ca).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority.key_identifier == ca_identifier.digest


def test_keys_are_p256_in_pkcs8_and_never_in_the_repr() -> None:
    ca = issue_ca(NOW, common_name="test CA")
    for pair in (ca, issue_leaf(ca, NAMES, NOW)):
        assert pair.private_key.startswith(b"-----BEGIN PRIVATE KEY-----\n")
        key = load_pem_private_key(pair.private_key, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.curve.name == "secp256r1"
        assert key.public_key() == certificate_of(pair).public_key()
        algorithm = certificate_of(pair).signature_hash_algorithm
        assert algorithm is not None
        assert algorithm.name == "sha256"
        assert "PRIVATE" not in repr(pair)
        assert "private_key" not in repr(pair)


def test_serials_are_random_positive_and_at_most_20_octets() -> None:
    serials = {certificate_of(issue_ca(NOW, common_name="test CA")).serial_number for _ in range(20)}
    assert len(serials) == 20
    assert all(0 < serial < 1 << 159 for serial in serials)


@pytest.mark.parametrize("now", [NOW, NOW.astimezone(timezone(timedelta(hours=9)))], ids=["UTC", "Tokyo"])
def test_certificates_begin_an_hour_ago_and_end_after_their_lifetime_in_whole_seconds(now: datetime) -> None:
    ca = issue_ca(now, common_name="test CA")
    leaf = certificate_of(issue_leaf(ca, NAMES, now))
    begin = datetime(2026, 3, 1, 11, 30, 15, tzinfo=UTC)
    assert certificate_of(ca).not_valid_before_utc == begin
    assert certificate_of(ca).not_valid_after_utc == datetime(2036, 2, 27, 12, 30, 15, tzinfo=UTC)
    assert leaf.not_valid_before_utc == begin
    assert leaf.not_valid_after_utc == datetime(2026, 5, 30, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "given"),
    [(timedelta(days=29), timedelta(days=29)), (timedelta(days=31), timedelta(days=30))],
    ids=["shorter than its CA", "longer than its CA"],
)
def test_a_leaf_never_outlives_its_ca(asked: timedelta, given: timedelta) -> None:
    now = NOW.replace(microsecond=0)
    ca = issue_ca(now, common_name="test CA", lifetime=timedelta(days=30))
    assert certificate_of(issue_leaf(ca, NAMES, now, lifetime=asked)).not_valid_after_utc == now + given


@pytest.mark.parametrize("distance", [timedelta(days=30), timedelta(hours=-1, seconds=-1)], ids=["ended", "not begun"])
def test_a_ca_that_is_not_valid_signs_nothing(distance: timedelta) -> None:
    now = NOW.replace(microsecond=0)
    ca = issue_ca(now, common_name="test CA", lifetime=timedelta(days=30))
    with pytest.raises(
        CannotIssue, match=r"^the CA is valid from 2026-03-01T11:30:15\+00:00 until 2026-03-31T12:30:15"
    ):
        issue_leaf(ca, NAMES, now + distance)
    issue_leaf(ca, NAMES, now + distance + timedelta(seconds=-1 if distance > timedelta(0) else 1))


@pytest.mark.parametrize(
    ("now", "lifetime", "message"),
    [
        (NOW.replace(tzinfo=None), timedelta(days=1), "the time has no time zone"),
        (NOW, timedelta(0), "a lifetime of 0:00:00 is too short"),
        (NOW, timedelta(days=-1), "a lifetime of -1 day, 0:00:00 is too short"),
    ],
)
def test_a_time_without_zone_or_no_lifetime_is_refused(now: datetime, lifetime: timedelta, message: str) -> None:
    ca = issue_ca(NOW, common_name="test CA")
    with pytest.raises(CannotIssue, match=f"^{message}$"):
        issue_ca(now, common_name="test CA", lifetime=lifetime)
    with pytest.raises(CannotIssue, match=f"^{message}$"):
        issue_leaf(ca, NAMES, now, lifetime=lifetime)


@pytest.mark.parametrize("common_name", ["", "a" * 65])
def test_a_common_name_that_is_empty_or_too_long_is_refused(common_name: str) -> None:
    with pytest.raises(InvalidName, match=f"^'{common_name}': a common name has 1 to 64 characters$"):
        issue_ca(NOW, common_name=common_name)


def test_a_long_name_is_left_to_the_alternative_names(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ca = issue_ca(now, common_name="test CA")
    long, longest_common_name = f"{'a' * 40}.{'b' * 40}.svc", f"{'c' * 30}.{'d' * 33}"
    leaf = issue_leaf(ca, Names.parse([long, longest_common_name]), now)
    assert common_name_of(certificate_of(leaf).subject) == [longest_common_name]
    strict_handshake(leaf, ca.certificate, long, tmp_path)

    without_subject = issue_leaf(ca, Names.parse([long]), now)
    assert list(certificate_of(without_subject).subject) == []
    assert certificate_of(without_subject).extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    strict_handshake(without_subject, ca.certificate, long, tmp_path)


def test_a_leaf_may_be_for_addresses_alone() -> None:
    leaf = certificate_of(issue_leaf(issue_ca(NOW, common_name="test CA"), Names.parse(["::1"]), NOW))
    assert common_name_of(leaf.subject) == ["::1"]


def with_encrypted_key(pair: Pair) -> Pair:
    key = load_pem_private_key(pair.private_key, password=None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    return Pair(pair.certificate, encrypted)


def test_a_pair_that_is_not_a_ca_signs_nothing() -> None:
    ca, other = issue_ca(NOW, common_name="test CA"), issue_ca(NOW, common_name="other CA")
    leaf = issue_leaf(ca, NAMES, NOW)
    cases: list[tuple[Pair, type[CertificateError], str]] = [
        (leaf, CannotIssue, "this is not one of our CA certificates"),
        (Pair(b"", ca.private_key), InvalidPair, "the certificate of the CA cannot be read"),
        (Pair(ca.certificate[:200], ca.private_key), InvalidPair, "the certificate of the CA cannot be read"),
        (Pair(ca.certificate, b"\xff\x00"), InvalidPair, "the private key of the CA cannot be read"),
        (with_encrypted_key(ca), InvalidPair, "the private key of the CA cannot be read"),
        (
            Pair(ca.certificate, other.private_key),
            InvalidPair,
            "the private key of the CA does not belong to its certificate",
        ),
    ]
    for pair, error, message in cases:
        with pytest.raises(error, match=f"^{message}$"):
            issue_leaf(pair, NAMES, NOW)


def test_a_foreign_leaf_with_ca_false_signs_nothing() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
    foreign = issue_ca(NOW, common_name="test CA")
    signer = load_pem_private_key(foreign.private_key, password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(signer, certificate_of(foreign).signature_hash_algorithm)  # type: ignore[arg-type]
    )
    pair = Pair(certificate.public_bytes(Encoding.PEM), foreign.private_key)
    with pytest.raises(CannotIssue, match=r"^this is a leaf certificate, not a CA certificate$"):
        issue_leaf(pair, NAMES, NOW)


def test_names_are_sorted_into_dns_names_and_ips_in_order_and_without_duplicates() -> None:
    assert Names.parse(["B.example", "10.0.0.1", "a", "b.EXAMPLE", "0:0::1", "::1", "7", "hook.123"]) == Names(
        dns=("b.example", "a", "7", "hook.123"), ips=(ip_address("10.0.0.1"), ip_address("::1"))
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("10.0.0.256", "'10.0.0.256' is neither an IP address nor a DNS name"),
        ("", "'' is neither a DNS name"),
        ("under_score", "'under_score' is neither a DNS name"),
        ("*.example", r"'\*\.example' is neither a DNS name"),
        ("dot.at.end.", r"'dot\.at\.end\.' is neither a DNS name"),
        ("two..dots", r"'two\.\.dots' is neither a DNS name"),
        ("-dash", "'-dash' is neither a DNS name"),
        ("dash-", "'dash-' is neither a DNS name"),
        ("bücher.example", "'bücher.example' is neither a DNS name"),
        ("new\nline", r"'new\\nline' is neither a DNS name"),
        ("end\n", r"'end\\n' is neither a DNS name"),
        ("10.0.0.0/8", "'10.0.0.0/8' is neither a DNS name"),
        ("[::1]", r"'\[::1\]' is neither a DNS name"),
        ("fe80::1%eth0", "'fe80::1%eth0': a certificate cannot carry an IPv6 zone"),
        ("a" * 64, f"'{'a' * 64}' is neither a DNS name"),
        (".".join(["a" * 63] * 4), "is neither a DNS name"),
    ],
)
def test_a_name_that_no_certificate_can_carry_is_named(name: str, message: str) -> None:
    with pytest.raises(InvalidName, match=message):
        Names.parse(["good", name])


def test_no_names_at_all_are_refused() -> None:
    with pytest.raises(InvalidName, match=r"^a certificate needs at least one name$"):
        Names.parse([])


def test_a_service_is_called_by_four_names() -> None:
    assert service_names("hook", "aws") == ("hook", "hook.aws", "hook.aws.svc", "hook.aws.svc.cluster.local")
