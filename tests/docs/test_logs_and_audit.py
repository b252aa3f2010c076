"""What the documentation says of log lines and audit annotations, compared with the code and with deploy/."""

import json
import re
from time import perf_counter
from typing import Literal

import pytest
import yaml

from tests.docs.pages import ROOT, quoted, table
from tests.server.reviews import ROLE, encoded, review_of
from webhook.admission.decision import Decision, decide
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.jsonpatch import BEGINNING
from webhook.admission.review import Review, parse
from webhook.admission.settings import Settings
from webhook.server.decision_log import log_decision
from webhook.server.logs import configure_logs

EVERY_MEMBER = Decision(
    "injected", operations=[BEGINNING], warnings=["a", "b", "c", "d"], audit={"role-arn": ROLE}, denied="no"
)


def usual_review() -> Review:
    """A review of a pod of a Deployment, with a uid as the API server makes it."""
    review = review_of("builder", name=None, generateName="reports-7d4b9c6f5d-")
    review["request"]["uid"] = "705ab4f5-6393-11e8-b7cc-42010a800002"
    return parse(encoded(review))


def line(review: Review, decision: Decision, style: Literal["text", "json"], capsys: pytest.CaptureFixture[str]) -> str:
    configure_logs(0, style)
    log_decision(review, decision, perf_counter(), injections=True)
    return capsys.readouterr().err


@pytest.mark.usefixtures("logging_restored")
def test_the_documented_fields_are_those_of_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    entry = json.loads(line(usual_review(), EVERY_MEMBER, "json", capsys))

    documented = [name for row in table("operation.md", "Logs") for name in quoted(row[0])]
    assert sorted(documented) == sorted(set(entry) - {"time", "level", "logger", "message"})


@pytest.mark.usefixtures("logging_restored")
def test_an_injection_takes_the_documented_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    review = usual_review()
    decision = decide(review, ServiceAccount("ci", "builder", {"role-arn": ROLE}), Sources(), Settings())
    page = (ROOT / "docs/operation.md").read_text(encoding="utf-8")
    documented = re.search(r"about (\d+) bytes as text and (\d+) as JSON", page)

    assert documented is not None
    for style, size in (("text", documented[1]), ("json", documented[2])):
        assert len(line(review, decision, style, capsys)) == pytest.approx(int(size), abs=10)  # type: ignore[arg-type]


def test_the_documented_entries_are_those_of_the_chart() -> None:
    manifests = yaml.safe_load_all((ROOT / "deploy/pod-identity-webhook.yaml").read_text(encoding="utf-8"))
    (configuration,) = [each for each in manifests if each["kind"] == "MutatingWebhookConfiguration"]

    documented = [
        name for row in table("audit.md", "The annotations") for name in quoted(row[0]) if name.endswith(".com")
    ]
    assert sorted(documented) == sorted(entry["name"] for entry in configuration["webhooks"])


def test_the_documented_keys_are_those_of_a_decision() -> None:
    account = ServiceAccount("ci", "builder", {"role-arn": ROLE})
    decision = decide(usual_review(), account, Sources(), Settings())

    keys = [name for row in table("audit.md", "The annotations") for name in quoted(row[0]) if "/" in name]
    assert sorted(keys) == sorted(f"pod-identity-webhook.amazonaws.com/{key}" for key in decision.audit)
