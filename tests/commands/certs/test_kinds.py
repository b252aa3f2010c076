"""`certs show` and `certs rotate` on each kind of certificate, healthy and broken; tests/e2e does it with the chart."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.issue import Pair, issue_ca, issue_leaf
from certs.state import State
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
)
from tests.commands.certs.kinds import (
    CERT_MANAGER,
    DAY,
    DEPLOYMENT,
    EXISTING_SECRET,
    KINDS,
    SECRETS,
    Kind,
    external,
    findings,
    put_certificate,
    shown,
)
from tests.commands.certs.test_serving import CA, FILES, MOUNT, deployment
from tests.commands.outcome import Outcome, run

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
    # The CA of today is not shown as one whose trust ends.
    assert re.search(r"\n  present CA   ends \S+, in \d+ days, after a change trusted until \S+ \(SHA-256 ", text)
    assert "previous CA" not in text
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
        "pod-identity-webhook certs rotate: the webhook does not sign this certificate, so it cannot rotate it: its "
        f"kind is {kind.name} ({kind.source}); {kind.instead}"
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


def test_if_its_secret_is_missing_both_commands_say_that_the_webhook_makes_it_again() -> None:
    with installation() as here:
        here.cluster.put(DEPLOYMENT, deployment("serve"))
        here.cluster.delete(SECRET)
        (found,) = shown(here)["findings"]
        rotated = run("certs", "rotate", *here.flags)

    then = "the webhook makes it again while it runs; otherwise its log says why not"
    assert found == f"the Secret {NAMESPACE}/{NAME} does not exist: {then}"
    assert (rotated.code, rotated.err) == (
        1,
        f"pod-identity-webhook certs rotate: there is no Secret {NAMESPACE}/{NAME}: {then}\n",
    )


def test_files_without_a_secret_are_shown_as_far_as_they_can_be_seen(tmp_path: Path) -> None:
    with external(EXISTING_SECRET) as here, served(here.leaf, tmp_path) as address:
        here.cluster.put(DEPLOYMENT, deployment(*FILES, CA))
        document = shown(here, f"--address={address}")
        done = run("certs", "rotate", *here.flags)

    assert (document["kind"], document["findings"], document["secret"]) == ("files", [], None)
    assert done.err.endswith("; replace /certs/tls.crt and the file of --tls-key; the webhook loads them by itself\n")


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
