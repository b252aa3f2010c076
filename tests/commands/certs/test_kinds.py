"""`certs show` and `certs rotate` on each kind of certificate, healthy and broken; tests/e2e does it with the chart."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from certs.issue import Pair, issue_ca, issue_leaf
from certs.state import PreviousCa, State, previous_data
from tests.commands.certs.certificates import (
    CONFIGURATION,
    ENTRY,
    NAME,
    NAMES,
    NAMESPACE,
    SECRET,
    Installation,
    configuration,
    installation,
    secret,
    served,
    stored,
)
from tests.commands.certs.test_serving import CA, FILES, MOUNT, deployment
from tests.commands.outcome import Outcome, run

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
    f"cert-manager makes it; kubectl describe shows what it waits for (Certificate {NAMESPACE}/tls)",
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


@pytest.fixture(autouse=True)
def _outside_of_a_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


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


each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@each_kind
def test_a_healthy_one_has_no_findings_and_says_who_renews_it(kind: Kind, tmp_path: Path) -> None:
    with external(kind) as here, served(here.leaf, tmp_path) as address:
        document = shown(here, f"--address={address}")
        text = run("certs", "show", *here.flags, f"--address={address}").out

    assert (document["findings"], document["unread"], document["doubt"]) == ([], {}, None)
    assert (document["kind"], document["source"], document["renewedBy"]) == (kind.name, kind.source, kind.renewed_by)
    assert document["caBundleWrittenBy"] == "the webhook"
    assert document["secret"]["place"] == f"Secret {NAMESPACE}/{kind.secret}"
    assert [one["role"] for one in document["sharedSecret"]["certificates"]] == ["previous CA"]
    assert f"  kind: {kind.name} ({kind.source})\n  renewed by: {kind.renewed_by}\n" in text
    assert text.endswith("\nNo findings.\n")


@each_kind
def test_what_is_left_of_a_self_managed_certificate_is_no_finding(kind: Kind, tmp_path: Path) -> None:
    """After a change of kind, the shared Secret keeps a CA and a leaf that nobody renews or publishes any more."""
    with external(kind) as here, served(here.leaf, tmp_path) as address:
        then = datetime.now(UTC) - 91 * DAY
        former = issue_ca(then, common_name="former CA")
        here.cluster.put(SECRET, secret(State(ca=former, leaf=issue_leaf(former, NAMES, then))))

        assert findings(here, address) == []
        assert run("certs", "rotate", *here.flags).code == 1


@each_kind
def test_rotate_refuses_in_one_line_and_writes_nothing(kind: Kind) -> None:
    with external(kind) as here:
        done = [run("certs", "rotate", *here.flags, *flags) for flags in ((), ("--ca",))]
        writes = here.cluster.writes

    line = (
        "pod-identity-webhook certs: the webhook does not sign this certificate, so it cannot rotate it: its kind is"
        f" {kind.name} ({kind.source}); {kind.instead}"
    )
    ca = " (for a new CA, renew that of its issuer first)" if kind is CERT_MANAGER else ""
    assert done == [Outcome(1, "", f"{line}\n"), Outcome(1, "", f"{line}{ca}\n")]
    assert writes == []


def expired(here: Installation) -> Pair:
    return issue_leaf(here.ca, NAMES, datetime.now(UTC) - 91 * DAY)


def ending(here: Installation, within: timedelta, life: timedelta) -> Pair:
    return issue_leaf(here.ca, NAMES, datetime.now(UTC) + within - life, lifetime=life)


@each_kind
def test_an_expired_leaf_is_found(kind: Kind, tmp_path: Path) -> None:
    with external(kind) as here:
        here.leaf = expired(here)
        put_certificate(here, kind)
        with served(here.leaf, tmp_path) as address:
            assert findings(here, address) == [
                "the served leaf has expired",
                f"the API server refuses the served leaf with the caBundle of entry {ENTRY}: certificate has expired",
            ]


@pytest.mark.parametrize(
    ("within", "life", "is_found"),
    [
        (timedelta(days=8), timedelta(days=90), False),
        (timedelta(days=6), timedelta(days=90), True),
        (timedelta(hours=3), timedelta(days=1), False),
        (timedelta(hours=2), timedelta(days=1), True),
    ],
    ids=["8 of 90 days", "6 of 90 days", "3 of 24 hours", "2 of 24 hours"],
)
@each_kind
def test_a_leaf_that_others_should_have_renewed_is_found_in_its_last_week_or_tenth(
    kind: Kind, within: timedelta, life: timedelta, *, is_found: bool, tmp_path: Path
) -> None:
    with external(kind) as here:
        here.leaf = ending(here, within, life)
        put_certificate(here, kind)
        with served(here.leaf, tmp_path) as address:
            found = findings(here, address)

    late = f"the served leaf expires soon, and nobody has renewed it (renewed by: {kind.renewed_by})"
    assert found == ([late] if is_found else [])


@each_kind
def test_a_wrong_bundle_is_found(kind: Kind, tmp_path: Path) -> None:
    with external(kind) as here, served(here.leaf, tmp_path) as address:
        other = issue_ca(datetime.now(UTC), common_name="another CA")
        here.cluster.put(CONFIGURATION, configuration({ENTRY: other.certificate}))

        refuses = f"the API server refuses the served leaf with the caBundle of entry {ENTRY}"
        assert findings(here, address) == [
            f"{refuses}: no CA in the caBundle has signed it",
            f"the caBundle of entry {ENTRY} lacks the CA of the Secret {NAMESPACE}/{kind.secret}",
        ]


@each_kind
def test_a_missing_secret_is_found_with_what_to_do(kind: Kind, tmp_path: Path) -> None:
    with external(kind) as here, served(here.leaf, tmp_path) as address:
        here.cluster.delete(f"{SECRETS}/{kind.secret}")

        assert findings(here, address) == [f"the Secret {NAMESPACE}/{kind.secret} does not exist: {kind.missing}"]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"tls_crt": b"garbage"}, "tls.crt: the certificate cannot be read"),
        ({"tls_crt": b""}, "tls.crt is empty"),
        ({"tls_key": b""}, "tls.key: the private key cannot be read"),
        ({"ca_crt": b""}, "ca.crt is empty"),
        ({"tls_key": issue_ca(datetime.now(UTC), common_name="x").private_key}, "tls.key does not belong to tls.crt"),
        (
            {"ca_crt": issue_ca(datetime.now(UTC), common_name="x").certificate},
            "ca.crt has no CA that verifies tls.crt, so the webhook does not load it",
        ),
    ],
    ids=["no PEM", "no leaf", "no key", "no CA", "the key of another", "the CA of another"],
)
def test_a_secret_that_the_webhook_would_refuse_is_found(
    changed: dict[str, bytes], problem: str, tmp_path: Path
) -> None:
    with external(EXISTING_SECRET) as here, served(here.leaf, tmp_path) as address:
        put_certificate(here, EXISTING_SECRET, **changed)

        found = findings(here, address)

    assert [one for one in found if one.startswith(f"the Secret {NAMESPACE}/mine: {problem}")], found


def test_a_new_leaf_of_a_new_ca_is_no_finding_while_the_webhook_takes_it_up(tmp_path: Path) -> None:
    with external(CERT_MANAGER) as here, served(here.leaf, tmp_path) as address:
        new_ca = issue_ca(datetime.now(UTC), common_name="new CA")
        leaf = issue_leaf(new_ca, NAMES, datetime.now(UTC) + timedelta(hours=1))
        put_certificate(
            here, CERT_MANAGER, ca_crt=new_ca.certificate, tls_crt=leaf.certificate, tls_key=leaf.private_key
        )

        assert findings(here, address) == []


@pytest.mark.parametrize(
    ("annotations", "writer"),
    [
        ({}, "you"),
        (
            {"cert-manager.io/inject-ca-from": f"{NAMESPACE}/theirs"},
            f"cert-manager's cainjector (from Certificate {NAMESPACE}/theirs)",
        ),
    ],
    ids=["nobody else", "cainjector"],
)
def test_without_a_ca_file_others_write_the_bundle(annotations: dict[str, str], writer: str) -> None:
    with external(CERT_MANAGER) as here:
        volume = {"name": "certificate", "secret": {"secretName": "tls"}}
        here.cluster.put(DEPLOYMENT, deployment(*FILES, mounts=[MOUNT], volumes=[volume]))
        entries = configuration({ENTRY: here.ca.certificate})
        entries["metadata"]["annotations"] = annotations
        here.cluster.put(CONFIGURATION, entries)

        document = shown(here)

    assert (document["caBundleWrittenBy"], document["kind"], document["findings"]) == (writer, "cert-manager", [])


def test_a_self_managed_one_is_told_by_its_deployment() -> None:
    with installation() as here:
        here.cluster.put(DEPLOYMENT, deployment("serve"))
        document = shown(here)
        rotated = run("certs", "rotate", *here.flags)

    assert (document["kind"], document["renewedBy"], document["doubt"]) == ("self-managed", "the webhook", None)
    assert (document["findings"], document["sharedSecret"]) == ([], None)
    assert (rotated.code, "holds only if" in rotated.out) == (0, False)


def test_files_without_a_secret_are_shown_as_far_as_they_can_be_seen(tmp_path: Path) -> None:
    with external(EXISTING_SECRET) as here, served(here.leaf, tmp_path) as address:
        here.cluster.put(DEPLOYMENT, deployment(*FILES, CA))
        document = shown(here, f"--address={address}")
        done = run("certs", "rotate", *here.flags)

    assert (document["kind"], document["findings"], document["secret"]) == ("files", [], None)
    assert done.err.endswith("; replace /certs/tls.crt and the file of --tls-key; the webhook loads them by itself\n")


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


def test_a_ca_from_a_config_map_is_compared_and_not_that_of_the_secret(tmp_path: Path) -> None:
    with external(EXISTING_SECRET) as here, served(here.leaf, tmp_path) as address:
        put_certificate(here, EXISTING_SECRET, ca_crt=issue_ca(datetime.now(UTC), common_name="unused").certificate)
        sources = [
            {"secret": {"name": "mine", "items": [{"key": "tls.crt", "path": "tls.crt"}]}},
            {"configMap": {"name": "cas", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        ]
        volume = {"name": "certificate", "projected": {"sources": sources}}
        here.cluster.put(DEPLOYMENT, deployment(*FILES, CA, mounts=[MOUNT], volumes=[volume]))
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/cas"
        unknown = findings(here, address)
        here.cluster.put(path, {"data": {"ca.crt": here.ca.certificate.decode()}})
        right = findings(here, address)
        here.cluster.put(path, {"data": {"ca.crt": issue_ca(datetime.now(UTC), common_name="x").certificate.decode()}})
        wrong = findings(here, address)

    assert (unknown, right) == ([], [])
    assert wrong[-1] == (
        f"the Secret {NAMESPACE}/mine: ca.crt has no CA that verifies tls.crt, so the webhook does not load it"
    )
