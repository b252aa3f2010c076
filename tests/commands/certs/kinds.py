"""Installations with a certificate that the webhook does not make, for the tests of `certs`."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from certs.issue import issue_leaf
from certs.state import PreviousCa, previous_data
from tests.commands.certs.certificates import NAME, NAMES, NAMESPACE, SECRET, Installation, installation, stored
from tests.commands.certs.test_serving import CA, FILES, MOUNT, deployment
from tests.commands.outcome import run

DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
OF_CERT_MANAGER: Final = {
    "cert-manager.io/certificate-name": "theirs",
    "cert-manager.io/issuer-kind": "ClusterIssuer",
    "cert-manager.io/issuer-name": "company",
}
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Kind:
    """One kind: the Secret that the Deployment mounts, its annotations, the chart's hint, and what is said of it."""

    name: str
    secret: str
    source: str
    renewed_by: str
    instead: str
    missing: str
    annotations: Any = None
    hint: str = ""


CERT_MANAGER = Kind(
    "cert-manager",
    "tls",
    f"Certificate {NAMESPACE}/theirs, ClusterIssuer company",
    "cert-manager",
    f"run cmctl renew --namespace {NAMESPACE} theirs",
    f"cert-manager makes it; kubectl --namespace {NAMESPACE} describe certificate tls shows what it waits for",
    OF_CERT_MANAGER,
    "cert-manager",
)
EXISTING_SECRET = Kind(
    "existing-secret",
    "mine",
    f"Secret {NAMESPACE}/mine",
    "you, in the Secret",
    f"put a new tls.crt, tls.key and ca.crt into the Secret {NAMESPACE}/mine;"
    " the webhook loads them within two minutes",
    "create it with tls.crt, tls.key and ca.crt; new pods wait for it",
    hint="existing-secret",
)
VALUES = Kind(
    "values",
    "tls",
    f"Secret {NAMESPACE}/tls, from the values of the chart",
    "you, with new values",
    "run helm upgrade with new pki.cert, pki.key and pki.caBundle",
    "run helm upgrade with the same values",
    hint="values",
)
KINDS = [CERT_MANAGER, EXISTING_SECRET, VALUES]


@contextlib.contextmanager
def external(kind: Kind) -> Iterator[Installation]:
    """A healthy installation with a certificate of others, whose CA the replicas keep in the shared Secret too."""
    with installation(age=100 * DAY) as here:
        here.leaf = issue_leaf(here.ca, NAMES, datetime.now(UTC) - DAY)
        put_certificate(here, kind)
        hints = {"PIW_CERTIFICATE_KIND": kind.hint, "PIW_CERTIFICATE_SECRET": kind.secret}
        variables = [{"name": name, "value": value} for name, value in hints.items()]
        volume = {"name": "certificate", "secret": {"secretName": kind.secret}}
        here.cluster.put(DEPLOYMENT, deployment(*FILES, CA, mounts=[MOUNT], volumes=[volume], env=variables))
        here.cluster.put(SECRET, stored(previous_data([PreviousCa(here.ca.certificate, datetime.now(UTC) + DAY)])))
        yield here


def put_certificate(here: Installation, kind: Kind, **changed: bytes) -> None:
    """Writes the certificate as its owner does; `tls_crt` and so on replace its parts."""
    data = {"ca.crt": here.ca.certificate, "tls.crt": here.leaf.certificate, "tls.key": here.leaf.private_key}
    data |= {name.replace("_", "."): value for name, value in changed.items()}
    here.cluster.put(f"{SECRETS}/{kind.secret}", stored(data, **(kind.annotations or {})))


def shown(here: Installation, *flags: str) -> dict[str, Any]:
    outcome = run("certs", "show", *here.flags, "--output=json", *flags)
    assert outcome.err == ""
    document: dict[str, Any] = json.loads(outcome.out)
    assert outcome.code == (1 if document["findings"] else 0)
    return document


def findings(here: Installation, address: str) -> list[str]:
    found: list[str] = shown(here, f"--address={address}")["findings"]
    return found
