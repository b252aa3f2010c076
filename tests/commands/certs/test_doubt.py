"""What the certs commands make of Secrets alone, if nothing tells how the webhook serves."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.commands.certs.certificates import (
    NAME,
    NAMESPACE,
    Installation,
    installation,
    served,
)
from tests.commands.certs.kinds import (
    CERT_MANAGER,
    DEPLOYMENT,
    EXISTING_SECRET,
    Kind,
    external,
    shown,
)
from tests.commands.outcome import run


@pytest.fixture(autouse=True)
def _outside_of_a_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


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
