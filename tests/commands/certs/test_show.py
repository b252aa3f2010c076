import errno
import json
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from certs.issue import Names, Pair, issue_ca, issue_leaf
from certs.state import ROTATE_LEAF_AFTER, State, format_time
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
from tests.commands.outcome import Outcome, run

REFUSED = f"the API server refuses the served leaf with the caBundle of entry {ENTRY}"
EXPIRES_SOON = "expires soon: two thirds of its lifetime are over, and the webhook has not renewed it"
OUR_SECRET = f"Secret {NAMESPACE}/{NAME}"
LACKS = f"the caBundle of entry {ENTRY} lacks the"


def closed_address() -> str:
    """Returns an address with a closed port."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"127.0.0.1:{closed.getsockname()[1]}"


def shown(here: Installation, address: str, *flags: str) -> tuple[Outcome, dict[str, Any]]:
    outcome = run("certs", "show", *here.flags, f"--address={address}", "--output=json", *flags)
    return outcome, json.loads(outcome.out) if outcome.out else {}


def findings(here: Installation, leaf: Pair, directory: Path, *flags: str) -> list[str]:
    """Returns the findings if `leaf` is served, and asserts the exit code for them."""
    with served(leaf, directory) as address:
        outcome, document = shown(here, address, *flags)
    assert (outcome.code, outcome.err) == (1 if document["findings"] else 0, "")
    found: list[str] = document["findings"]
    return found


def other_ca() -> Pair:
    return issue_ca(datetime.now(UTC), common_name="another CA")


def test_matching_certificates_have_no_findings(tmp_path: Path) -> None:
    with installation() as here, served(here.leaf, tmp_path) as address:
        outcome, document = shown(here, address)

    assert (outcome.code, outcome.err, document["findings"], document["unread"]) == (0, "", [], {})
    leaf, ca = document["secret"]["certificates"][1], document["secret"]["certificates"][0]
    assert (ca["role"], leaf["role"], document["secret"]["managed"]) == ("CA", "leaf", True)
    assert document["served"]["sha256"] == leaf["sha256"]
    assert document["served"]["names"] == list(NAMES.dns)
    assert [entry["name"] for entry in document["webhookConfiguration"]["entries"]] == [ENTRY]
    assert document["webhookConfiguration"]["entries"][0]["caBundle"][0]["sha256"] == ca["sha256"]
    assert 0 < document["served"]["secondsLeft"] <= 90 * 86400


def test_no_private_key_is_ever_shown(tmp_path: Path) -> None:
    with installation() as here, served(here.leaf, tmp_path) as address:
        here.cluster.put(SECRET, secret(replace(here.state, next_ca=other_ca())))
        outputs = [
            run("certs", "show", *here.flags, f"--address={address}", f"--output={output}").out
            for output in ("text", "json")
        ]
        keys = [value for name, value in here.cluster.objects[SECRET]["data"].items() if name.endswith(".key")]

    assert len(keys) == 3
    for output in outputs:
        assert "PRIVATE" not in output
        assert not any(key in output or key[60:100] in output for key in keys)


def test_a_leaf_that_one_entry_does_not_trust_is_found_for_that_entry_only(tmp_path: Path) -> None:
    with installation() as here:
        bundles = {ENTRY: other_ca().certificate, "second": here.ca.certificate}
        here.cluster.put(CONFIGURATION, configuration(bundles))

        assert findings(here, here.leaf, tmp_path) == [
            f"{REFUSED}: no CA in the caBundle has signed it",
            f"{LACKS} CA of the {OUR_SECRET}",
        ]


def test_a_next_ca_that_is_not_published_is_found(tmp_path: Path) -> None:
    with installation() as here:
        here.cluster.put(SECRET, secret(replace(here.state, next_ca=other_ca())))

        assert findings(here, here.leaf, tmp_path) == [f"{LACKS} next CA of the {OUR_SECRET}"]


def test_an_entry_without_a_bundle_is_found(tmp_path: Path) -> None:
    with installation() as here:
        here.cluster.put(CONFIGURATION, configuration({ENTRY: None}))

        assert findings(here, here.leaf, tmp_path) == [
            f"entry {ENTRY} has no caBundle: the API server trusts the CAs of its own system instead"
        ]


def test_what_is_wrong_with_all_entries_alike_is_one_finding(tmp_path: Path) -> None:
    with installation() as here:
        here.cluster.put(CONFIGURATION, configuration({ENTRY: None, "other.example.com": None}))

        assert findings(here, here.leaf, tmp_path) == [
            "all 2 entries have no caBundle: the API server trusts the CAs of its own system instead"
        ]

        here.cluster.put(CONFIGURATION, configuration({ENTRY: None, "other.example.com": here.ca.certificate}))

        assert len(findings(here, here.leaf, tmp_path)) == 1


def test_another_leaf_than_the_secrets_is_found(tmp_path: Path) -> None:
    with installation(age=timedelta(days=1)) as here:
        another = issue_leaf(here.ca, NAMES, datetime.now(UTC))

        (finding,) = findings(here, another, tmp_path)

    assert finding.startswith(f"the served leaf is not that of the {OUR_SECRET} (if it was replaced a moment ago, ")


def test_a_leaf_that_was_just_renewed_and_is_not_served_yet_is_no_finding(tmp_path: Path) -> None:
    with installation() as here, served(issue_leaf(here.ca, NAMES, datetime.now(UTC)), tmp_path) as address:
        outcome = run("certs", "show", *here.flags, f"--address={address}")

    assert (outcome.code, outcome.err) == (0, "")
    assert f"  the webhook will serve the leaf of the {OUR_SECRET} within ten minutes\n" in outcome.out


def test_an_expired_leaf_is_found(tmp_path: Path) -> None:
    with installation(age=timedelta(days=91)) as here:
        assert findings(here, here.leaf, tmp_path) == [
            "the served leaf has expired",
            f"{REFUSED}: certificate has expired",
        ]


def test_a_leaf_that_was_not_renewed_in_time_is_found(tmp_path: Path) -> None:
    with installation(age=timedelta(days=61)) as here:
        assert findings(here, here.leaf, tmp_path) == [f"the served leaf {EXPIRES_SOON}"]


def test_a_ca_that_ends_soon_and_has_no_successor_is_found(tmp_path: Path) -> None:
    with installation(age=timedelta(days=2500)) as here:
        here.leaf = issue_leaf(here.ca, NAMES, datetime.now(UTC))
        here.cluster.put(SECRET, secret(here.state))

        assert findings(here, here.leaf, tmp_path) == [
            f"the CA of the {OUR_SECRET} expires soon: two thirds of its lifetime are over, and there is no next CA"
        ]


def test_a_leaf_without_the_name_that_the_api_server_calls_is_found(tmp_path: Path) -> None:
    names = Names(("pod-identity-webhook", f"{NAME}.{NAMESPACE}"), (ip_address("10.0.0.1"),))
    with installation(names=names) as here:
        assert findings(here, here.leaf, tmp_path) == [
            f"the served leaf is not valid for {NAME}.{NAMESPACE}.svc, the name that the API server verifies"
        ]


def test_a_secret_that_is_missing_empty_or_damaged_is_found(tmp_path: Path) -> None:
    name = f"the {OUR_SECRET}"
    with installation() as here:
        here.cluster.delete(SECRET)
        missing = findings(here, here.leaf, tmp_path)
        here.cluster.put(SECRET, {"metadata": {}})
        empty = findings(here, here.leaf, tmp_path)
        here.cluster.put(SECRET, stored({**here.state.data(), "ca.key": b"garbage"}))
        damaged = findings(here, here.leaf, tmp_path)

    assert missing == [
        f"{name} does not exist: if it has another name, set --tls-secret; if there is none, --tls-secret=''"
    ]
    assert empty == [f"{name} holds no certificate"]
    assert damaged == [
        f"{name}: ca.crt and ca.key: the private key cannot be read",
        f"{name} holds no CA that can sign",
    ]


def test_without_a_configuration_or_an_entry_of_ours_nothing_calls_the_webhook(tmp_path: Path) -> None:
    with installation() as here:
        here.cluster.put(CONFIGURATION, configuration({ENTRY: here.ca.certificate}, service="other"))
        (no_entry,) = findings(here, here.leaf, tmp_path)
        here.cluster.delete(CONFIGURATION)
        (nothing,) = findings(here, here.leaf, tmp_path)

    assert no_entry.startswith(
        "no entry of the MutatingWebhookConfiguration pod-identity-webhook calls the Service "
        "pod-identity-webhook/pod-identity-webhook "
    )
    assert nothing.startswith("the MutatingWebhookConfiguration pod-identity-webhook does not exist ")


def test_a_service_that_cannot_be_reached_is_no_finding_and_the_text_says_how_to_reach_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(_address: object, **_: object) -> None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", refuses)
    with installation() as here:
        done = run("certs", "show", *here.flags)

    assert (done.code, done.err) == (0, "")
    assert "  could not be reached from here: Connection refused\n" in done.out
    assert (
        "kubectl exec --namespace pod-identity-webhook deploy/pod-identity-webhook -- pod-identity-webhook certs show\n"
        in done.out
    )
    assert (
        "  or again with --address localhost:8443, while this runs:\n"
        "  kubectl port-forward --namespace pod-identity-webhook service/pod-identity-webhook 8443:443\n" in done.out
    )
    assert done.out.endswith("No findings (the served certificate was not checked).\n")


@pytest.mark.parametrize("is_open", [True, False], ids=["plain HTTP", "closed"])
def test_no_tls_server_at_a_given_address_is_a_finding(*, is_open: bool) -> None:
    with installation() as here:
        address = here.cluster.url.removeprefix("http://") if is_open else closed_address()
        outcome, document = shown(here, address)

    assert (outcome.code, document["served"]) == (1, None)
    reason = document["unread"]["served"]
    assert reason
    assert document["findings"] == [f"there is no TLS server at {address}: {reason}"]


def test_the_secrets_leaf_is_compared_if_no_server_answers() -> None:
    address = closed_address()
    with installation(age=timedelta(days=61)) as here:
        here.cluster.put(CONFIGURATION, configuration({ENTRY: other_ca().certificate}))
        outcome, document = shown(here, address)

    assert outcome.code == 1
    assert document["findings"] == [
        f"there is no TLS server at {address}: Connection refused",
        f"the leaf of the {OUR_SECRET} {EXPIRES_SOON}",
        f"the leaf of the {OUR_SECRET} is not signed by a CA in the caBundle of entry {ENTRY}",
        f"{LACKS} CA of the {OUR_SECRET}",
    ]


def test_the_service_is_asked_at_its_port_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def connects(address: object, **_: object) -> socket.socket:
        asked.append(address)
        return socket.socket()

    def refuses(_context: object, _connection: object, *, server_hostname: str) -> None:
        asked.append(server_hostname)
        raise ConnectionResetError(errno.ECONNRESET, "nobody is there")

    monkeypatch.setattr(socket, "create_connection", connects)
    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", refuses)
    with installation() as here:
        _, at_443 = shown(here, "")
        entries = configuration({ENTRY: here.ca.certificate})
        entries["webhooks"][0]["clientConfig"]["service"]["port"] = 8443
        here.cluster.put(CONFIGURATION, entries)
        _, at_8443 = shown(here, "")

    name = f"{NAME}.{NAMESPACE}.svc"
    assert asked == [(name, 443), name, (name, 8443), name]
    assert (at_443["address"], at_8443["address"]) == (f"{name}:443", f"{name}:8443")
    assert at_443["unread"] == {"served": "nobody is there"}


def test_a_secret_that_rbac_hides_is_reported_and_the_rest_is_compared(tmp_path: Path) -> None:
    with installation() as here:
        here.cluster.denied.add(SECRET)
        with served(here.leaf, tmp_path) as address:
            outcome, document = shown(here, address)
            text = run("certs", "show", *here.flags, f"--address={address}").out

    assert (outcome.code, document["findings"], document["secret"]) == (0, [], None)
    assert 'resources: ["secrets"], verbs: ["get"]' in document["unread"]["secret"]
    (line,) = [line for line in text.splitlines() if "could not be read" in line]
    assert "403" in line


def test_a_configuration_that_rbac_hides_is_a_finding(tmp_path: Path) -> None:
    with installation() as here:
        here.cluster.denied.add(CONFIGURATION)
        (finding,) = findings(here, here.leaf, tmp_path)

    assert "so its caBundle was not compared" in finding
    assert 'resources: ["mutatingwebhookconfigurations"]' in finding


def test_certificates_of_cert_manager_are_compared_with_the_bundle(tmp_path: Path) -> None:
    with installation() as here:
        leaf = {"tls.crt": here.leaf.certificate, "tls.key": here.leaf.private_key}
        here.cluster.put(SECRET, stored({"ca.crt": here.ca.certificate, **leaf}))
        assert findings(here, here.leaf, tmp_path) == []

        here.cluster.put(CONFIGURATION, configuration({ENTRY: other_ca().certificate}))
        assert findings(here, here.leaf, tmp_path) == [
            f"{REFUSED}: no CA in the caBundle has signed it",
            f"{LACKS} CA of the {OUR_SECRET}",
        ]


def test_without_a_secret_the_served_leaf_is_compared_with_the_bundle(tmp_path: Path) -> None:
    with installation() as here:
        here.cluster.delete(SECRET)
        here.cluster.denied.add(SECRET)

        assert findings(here, here.leaf, tmp_path, "--tls-secret=") == []
        assert SECRET not in [request.path for request in here.cluster.requests]


def test_a_leaf_that_is_its_own_trust_anchor_is_accepted_as_in_go(tmp_path: Path) -> None:
    """cert-manager and older guides create self-signed certificates, which are their own caBundle."""
    with installation() as here:
        here.cluster.put(CONFIGURATION, configuration({ENTRY: here.leaf.certificate}))

        assert findings(here, here.leaf, tmp_path, "--tls-secret=") == []


def test_a_requested_rotation_is_pending_until_there_is_a_newer_leaf() -> None:
    now = datetime.now(UTC)
    with installation(age=timedelta(minutes=1)) as here:
        here.cluster.put(SECRET, secret(here.state, **{ROTATE_LEAF_AFTER: format_time(now)}))
        _, before = shown(here, closed_address())
        younger = State(ca=here.ca, leaf=issue_leaf(here.ca, NAMES, now + timedelta(seconds=1)))
        here.cluster.put(SECRET, secret(younger, **{ROTATE_LEAF_AFTER: format_time(now)}))
        _, after = shown(here, closed_address())

    assert before["secret"]["requests"] == [{"what": "leaf", "after": format_time(now), "pending": True}]
    assert after["secret"]["requests"] == [{"what": "leaf", "after": format_time(now), "pending": False}]
