"""The Events about findings, as the API server gets them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.diagnosis.test_eviction import found
from webhook.diagnosis.events import events_of
from webhook.diagnosis.verdict import Verdict

_NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
_MISSING = Verdict(
    "missing", "webhook-away", "the webhook was away", "arn:aws:iam::111122223333:role/x", (), heals=True
)


def test_an_owner_has_one_event_for_all_of_its_pods() -> None:
    (event,) = events_of([found(pod, _MISSING) for pod in ("a", "b")], _NOW)
    assert event["involvedObject"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "web",
        "uid": "uid-of-web",
    }
    assert event["message"] == (
        "2 of its pods lack their AWS role (a, b): webhook-away; a new pod gets arn:aws:iam::111122223333:role/x"
    )


@pytest.mark.parametrize("role", ["arn:\x1b[2J\u202e\nWarning  Forged", "é" * 2000, "\U0001f600" * 2000])
def test_a_message_is_one_line_that_the_api_server_accepts(role: str) -> None:
    (event,) = events_of([found("a", replace(_MISSING, role=role))], _NOW)
    assert event["message"].isprintable()
    assert len(event["message"].encode()) <= 1024
