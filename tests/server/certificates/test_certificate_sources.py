"""The certificate sources that maintain a caBundle, against an API server."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.bundle import published
from certs.files import write_pair
from certs.issue import Pair, issue_ca, issue_leaf
from certs.pem import canonical
from certs.state import read_state
from tests.certs.replicas import NAMES, SERVICE, configuration
from tests.cluster.api_server import client_of, until
from tests.server.object_server import CONFIGURATION, SECRET, ObjectServer
from webhook.cluster.background import running
from webhook.cluster.client import KubernetesClient
from webhook.manifests.file_watch import watch_files
from webhook.server.certificates.contexts import ServingContext
from webhook.server.certificates.files import CertificateFiles
from webhook.server.certificates.published_files import PublishedFiles
from webhook.server.certificates.sources import CertificateSource, certificate_of
from webhook.server.certificates.tls_settings import TlsError, TlsSettings
from webhook.server.settings import ServerSettings

NOW = datetime.now(UTC)
EMPTY_SECRET = {"metadata": {"name": "tls"}, "type": "Opaque"}


def ca_and_leaf(name: str) -> tuple[Pair, Pair]:
    ca = issue_ca(NOW, common_name=name)
    return ca, issue_leaf(ca, NAMES, NOW)


def settings_for(folder: Path, *, self_managed: bool, settle: float = 0.0) -> ServerSettings:
    return ServerSettings(
        tls_secret="tls",
        self_managed=self_managed,
        tls_cert=folder / "tls.crt",
        tls_key=folder / "tls.key",
        tls_ca=None if self_managed else folder / "ca.crt",
        ca_settle=settle,
    )


@asynccontextmanager
async def source(client: KubernetesClient, settings: ServerSettings) -> AsyncIterator[CertificateSource]:
    made = certificate_of(settings, client)
    checks = [made.check] if isinstance(made, CertificateFiles) else []
    async with running(made.run()), running(watch_files(checks)):
        yield made


def ca_bundle(server: ObjectServer) -> set[bytes]:
    return set(published(server.objects[CONFIGURATION], SERVICE))


def served_by(made: CertificateSource) -> bytes:
    """Returns the certificate that a handshake in memory presents."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    sides = trusting.wrap_bio(to_client, to_server), made.serving.outer.wrap_bio(to_server, to_client, server_side=True)
    for side in sides * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return canonical(ssl.DER_cert_to_PEM_cert(sides[0].getpeercert(binary_form=True) or b"").encode())


async def test_a_self_managed_certificate_is_served_and_ready_once_its_ca_is_published(tmp_path: Path) -> None:
    server = ObjectServer()
    async with (
        server.running(),
        client_of(server) as client,
        source(client, settings_for(tmp_path, self_managed=True)) as waiting,
    ):
        await until(lambda: "there is no MutatingWebhookConfiguration" in waiting.not_ready_reason())
        assert waiting.not_ready_reason().startswith("no certificate yet: bundle: ")
        server.put(CONFIGURATION, configuration())
        await until(lambda: waiting.not_ready_reason() == "")
        state = read_state(server.data(SECRET), {})[0]
        assert state.ca is not None
        assert state.leaf is not None
        assert ca_bundle(server) == {state.ca.certificate}
        assert served_by(waiting) == state.leaf.certificate


async def test_files_are_served_from_the_start_and_a_new_ca_is_published_before_its_leaf_is_served(
    tmp_path: Path,
) -> None:
    (old_ca, old), (new_ca, new) = ca_and_leaf("old"), ca_and_leaf("new")

    server = ObjectServer()
    server.put(CONFIGURATION, configuration())
    server.put(SECRET, EMPTY_SECRET)
    write_pair(tmp_path, old_ca.certificate, old)
    async with (
        server.running(),
        client_of(server) as client,
        source(client, settings_for(tmp_path, self_managed=False, settle=3.0)) as files,
    ):
        assert served_by(files) == old.certificate
        assert files.not_ready_reason() == "the caBundle is not known to the API server yet"
        await until(lambda: files.not_ready_reason() == "")
        assert ca_bundle(server) == {old_ca.certificate}

        write_pair(tmp_path, new_ca.certificate, new)
        await until(lambda: ca_bundle(server) == {old_ca.certificate, new_ca.certificate})
        assert served_by(files) == old.certificate
        await until(lambda: served_by(files) == new.certificate)
        assert ca_bundle(server) == {old_ca.certificate, new_ca.certificate}
        written = read_state(server.data(SECRET), {})[0].previous
        assert {ca.certificate for ca in written} == {old_ca.certificate, new_ca.certificate}


@pytest.mark.parametrize("to_files", [True, False], ids=["to files", "from files"])
async def test_both_sources_serve_side_by_side_and_the_caBundle_has_both_cas(  # noqa: N802
    tmp_path: Path, to_files: bool
) -> None:
    ca, leaf = ca_and_leaf("brought")

    server = ObjectServer()
    server.put(CONFIGURATION, configuration())
    server.put(SECRET, EMPTY_SECRET)
    write_pair(tmp_path, ca.certificate, leaf)
    old, new = (settings_for(tmp_path, self_managed=kind) for kind in (to_files, not to_files))
    async with server.running(), client_of(server) as client, source(client, old) as first:
        await until(lambda: first.not_ready_reason() == "")
        only = ca_bundle(server)
        changes = server.changes[CONFIGURATION]
        async with source(client, new) as second:
            await until(lambda: second.not_ready_reason() == "")
            assert len(ca_bundle(server)) == 2
            assert only < ca_bundle(server)
        # Neither source removed the other's CA, so there was no write to restore one. If both try to publish at the
        # same time, the API server refuses the second, because its resourceVersion is outdated.
        assert server.changes[CONFIGURATION] == changes + 1
        assert first.not_ready_reason() == ""


async def test_files_that_their_ca_does_not_verify_are_refused(tmp_path: Path) -> None:
    (other_ca, _), (_, leaf) = ca_and_leaf("other"), ca_and_leaf("signer")
    write_pair(tmp_path, other_ca.certificate, leaf)
    settings = settings_for(tmp_path, self_managed=False)

    async with (server := ObjectServer()).running(), client_of(server) as client:
        for content, problem in (
            (other_ca.certificate, "has no CA that verifies"),
            (b"", "holds no certificate in PEM"),
            (b"garbage", "holds no certificate in PEM"),
        ):
            (tmp_path / "ca.crt").write_bytes(content)
            with pytest.raises(TlsError, match=problem):
                PublishedFiles(client, settings, tmp_path / "ca.crt", ServingContext(TlsSettings()))
