"""What the certs commands make of Secrets alone, if nothing tells how the webhook serves."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.issue import issue_ca, issue_leaf
from tests.commands.certs.certificates import (
    NAME,
    NAMES,
    NAMESPACE,
    Installation,
    installation,
    served,
)
from tests.commands.certs.kinds import (
    CERT_MANAGER,
    DEPLOYMENT,
    EXISTING_SECRET,
    SECRETS,
    Kind,
    external,
    shown,
)
from tests.commands.certs.test_serving import CA, FILES, command_line
from tests.commands.outcome import run
from webhook.cluster.client import KubernetesClient
from webhook.commands.certs.cluster import access_of
from webhook.commands.certs.flags import SHOW_FLAGS
from webhook.commands.certs.installation import Certificate, Pod, read_installation
from webhook.commands.certs.installation import Installation as Read
from webhook.commands.certs.serving import serving_of_process
from webhook.commands.flags.parsing import parse


async def read_in_pod(here: Installation, directory: Path, leaf: bytes, ca: bytes) -> Read:
    """Reads in a pod with these files, whose first process is the webhook."""
    for name, pem in (("tls.crt", leaf), ("ca.crt", ca)):
        (directory / name).write_bytes(pem)
    flags = [flag.replace("/certs", str(directory)) for flag in (*FILES, CA)]
    names = {"PIW_NAMESPACE": NAMESPACE, "PIW_CERTIFICATE_SECRET": "mine"}
    serving = serving_of_process(command_line("pod-identity-webhook", *flags), names)
    parsed = parse(SHOW_FLAGS, here.flags, names)

    async with KubernetesClient(access_of(parsed)) as client:
        return await read_installation(client, parsed, Pod(serving=serving, namespace=NAMESPACE))


async def test_in_a_pod_that_may_not_read_the_secret_its_files_tell_the_same(tmp_path: Path) -> None:
    with external(EXISTING_SECRET) as here:
        here.cluster.denied.add(f"{SECRETS}/mine")
        installed = await read_in_pod(here, tmp_path, here.leaf.certificate, here.ca.certificate)

    assert (installed.kind.name, installed.kind.doubt, installed.unread) == ("existing-secret", "", {})
    assert installed.certificate == Certificate(
        f"file {tmp_path}/tls.crt in this pod", {"tls.crt": here.leaf.certificate, "ca.crt": here.ca.certificate}
    )


async def test_in_a_pod_whose_files_are_not_renewed_yet_the_new_secret_counts(tmp_path: Path) -> None:
    with external(EXISTING_SECRET) as here:
        other = issue_ca(datetime.now(UTC), common_name="CA of the old files")
        old = issue_leaf(other, NAMES, datetime.now(UTC))

        installed = await read_in_pod(here, tmp_path, old.certificate, other.certificate)

    assert installed.certificate is not None
    assert installed.certificate.place == f"Secret {NAMESPACE}/mine"
    assert installed.certificate.data == {
        "tls.crt": here.leaf.certificate,
        "tls.key": here.leaf.private_key,
        "ca.crt": here.ca.certificate,
    }


def without_a_deployment(here: Installation) -> str:
    here.cluster.delete(DEPLOYMENT)
    return f"there is no Deployment {NAMESPACE}/{NAME}"


def with_a_hidden_deployment(here: Installation) -> str:
    here.cluster.denied.add(DEPLOYMENT)
    return f"the Deployment {NAMESPACE}/{NAME} could not be read: "


@pytest.mark.parametrize("hide", [without_a_deployment, with_a_hidden_deployment], ids=["missing", "denied"])
@pytest.mark.parametrize(
    ("kind", "flags", "told"),
    [
        (CERT_MANAGER, ("--certificate-secret=tls",), "cert-manager"),
        (CERT_MANAGER, ("--tls-secret=tls",), "cert-manager"),
        (EXISTING_SECRET, ("--certificate-secret=mine",), "existing-secret"),
        (EXISTING_SECRET, ("--tls-secret=mine",), "existing-secret"),
        (EXISTING_SECRET, (), "unknown"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else getattr(value, "name", value),
)
def test_without_the_deployment_the_secrets_tell_the_kind_and_that_is_said(
    kind: Kind, flags: tuple[str, ...], told: str, hide: Callable[[Installation], str], tmp_path: Path
) -> None:
    with external(kind) as here, served(here.leaf, tmp_path) as address:
        doubt = hide(here)
        document = shown(here, f"--address={address}", *flags)
        text = run("certs", "show", *here.flags, f"--address={address}", *flags).out
        done = run("certs", "rotate", *here.flags, *flags)
        writes = here.cluster.writes

    assert (document["kind"], document["findings"]) == (told, [])
    assert document["doubt"].startswith(doubt)
    assert doubt in text
    assert (done.code, done.out, done.err.count("\n"), writes) == (1, "", 1, [])


def test_the_charts_name_for_the_secret_is_tried_without_the_deployment(tmp_path: Path) -> None:
    kind = replace(CERT_MANAGER, secret=f"{NAME}-tls")
    with external(kind) as here, served(here.leaf, tmp_path) as address:
        here.cluster.delete(DEPLOYMENT)

        assert shown(here, f"--address={address}")["kind"] == "cert-manager"


def test_the_flag_tells_the_kind_where_nothing_else_does() -> None:
    with installation() as here:
        done = run("certs", "rotate", *here.flags, "--certificate-kind=cert-manager", "--certificate-secret=tls")

    assert done.code == 1
    assert done.err.endswith(f"; run cmctl renew --namespace {NAMESPACE} tls\n")
