import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from certs.bundle import Service
from certs.issue import Names, Pair, issue_ca, issue_leaf, service_names
from certs.state import PreviousCa, State
from certs.stores import StoredSecret
from tests.commands.outcome import assert_golden
from webhook.commands.certs.facts import Entry, Facts, Served, shared_secret
from webhook.commands.certs.findings import findings
from webhook.commands.certs.kind import Kind
from webhook.commands.certs.output import as_json, in_words, text

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SERVICE = Service("pod-identity-webhook", "eks")
NAMES = Names.parse([*service_names(SERVICE.name, SERVICE.namespace), "10.0.0.1"])
SELF_MANAGED = Kind("self-managed", "CA and leaf in the Secret eks/pod-identity-webhook", "the webhook")


def ca(age: timedelta) -> Pair:
    return issue_ca(NOW - age, common_name="pod-identity-webhook CA")


def in_the_middle_of_a_rotation() -> Facts:
    """Returns facts with an old leaf that is still served; one entry was reset and no longer trusts it."""
    old, present, coming = ca(3000 * DAY), ca(DAY), ca(timedelta())
    leaf, former = issue_leaf(present, NAMES, NOW - DAY), issue_leaf(old, NAMES, NOW - 61 * DAY)
    state = State(present, leaf, coming, (PreviousCa(old.certificate, NOW + 29 * DAY),))
    bundle = tuple(state.authorities())
    reset = (present.certificate,)
    annotations = {"pod-identity-webhook/rotate-ca-after": "2026-03-01T11:00:00Z"}
    return Facts(
        service=SERVICE,
        address="pod-identity-webhook.eks.svc:443",
        kind=SELF_MANAGED,
        place="Secret eks/pod-identity-webhook",
        configuration_name="pod-identity-webhook",
        bundle_writer="the webhook",
        served=Served(former.certificate, {bundle: "", reset: "no CA in the caBundle has signed it"}),
        secret=shared_secret(StoredSecret("1", state.data(), annotations)),
        entries=(Entry("pod-identity-webhook.amazonaws.com", bundle), Entry("reset.amazonaws.com", reset)),
    )


def masked(shown: str) -> str:
    return re.sub(r"\b([0-9a-f]{64}|[0-9a-f]{16})\b", "FINGERPRINT", shown)


def test_the_text_shows_the_certificates_and_the_findings() -> None:
    facts = in_the_middle_of_a_rotation()

    assert_golden("certs-show.txt", masked(text(facts, findings(facts, NOW), NOW)))


def test_entries_with_the_same_bundle_are_shown_once() -> None:
    facts = in_the_middle_of_a_rotation()
    first, _ = facts.entries or ()
    alike = replace(facts, entries=(first, Entry("other.amazonaws.com", first.bundle)))

    lines = text(alike, [], NOW).splitlines()

    after = lines[lines.index("MutatingWebhookConfiguration pod-identity-webhook") + 1 :]
    assert [line[:7] for line in after] == ["  all 2", "    CA ", "    CA ", "    CA ", "", "No find"]


def test_the_json_has_the_same_content() -> None:
    facts = in_the_middle_of_a_rotation()
    found = findings(facts, NOW)

    shown = as_json(facts, found, NOW)

    assert json.loads(shown)["findings"] == found
    assert_golden("certs-show.json", masked(shown))


def test_unreadable_objects_are_shown_with_the_reason() -> None:
    facts = Facts(
        service=SERVICE,
        address="pod-identity-webhook.eks.svc:443",
        kind=Kind("unknown", "the Deployment eks/pod-identity-webhook could not be read: 403", "unknown", doubt="403"),
        place="Secret eks/pod-identity-webhook",
        configuration_name="pod-identity-webhook",
        unread={"served": "Connection refused", "secret": "403: not for you", "configuration": "403: nor this"},
    )

    assert_golden("certs-show-unread.txt", text(facts, findings(facts, NOW), NOW))


def test_a_foreign_certificate_sends_nothing_to_the_terminal() -> None:
    facts = Facts(
        SERVICE, "localhost:1", SELF_MANAGED, "", "x", entries=(Entry("\x1b[2Jentry", ()),), unread={"served": "\x07"}
    )

    shown = text(facts, findings(facts, NOW), NOW)

    assert all(line.isprintable() for line in shown.splitlines())


def test_a_clock_that_has_jumped_back_is_found() -> None:
    facts = in_the_middle_of_a_rotation()

    found = findings(facts, NOW - 100 * DAY)

    assert "the served leaf is not valid yet (is the clock of this machine right?)" in found


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (61 * DAY, "in 61 days"),
        (90 * DAY - timedelta(seconds=1), "in 90 days"),
        (timedelta(hours=47), "in 47 hours"),
        (timedelta(seconds=90), "in 90 seconds"),
        (timedelta(seconds=1), "in 1 second"),
        (-timedelta(minutes=5), "5 minutes ago"),
        (-2 * DAY, "2 days ago"),
    ],
)
def test_a_time_span_is_shown_in_words(span: timedelta, words: str) -> None:
    assert in_words(span) == words
