import pytest

from tests.diagnosis.doctor.objects import ENTRIES, IDENTITY, ROLE, bare, configuration, entry, injected, installation
from webhook.diagnosis.doctor.dry_run import dry_run_step
from webhook.diagnosis.doctor.facts import DryRun
from webhook.diagnosis.doctor.read import Read

_ALONE = installation()
_WITH_OTHER = installation(configurations=Read([configuration(*ENTRIES), configuration(*ENTRIES, name="z-other")]))
_WITHOUT = "a pod came back without it in container app"


@pytest.mark.parametrize(
    ("run", "status", "found", "anchor"),
    [
        pytest.param(
            DryRun(what="a pod", pod=injected()), "ok", f"a pod: every container has {ROLE}", "", id="patched"
        ),
        pytest.param(
            DryRun(what="a pod", pod=bare(), calls=0),
            "failed",
            f"{_WITHOUT}: the API server did not call the webhook, or got no answer",
            "the-api-server-does-not-call-the-webhook",
            id="not called",
        ),
        pytest.param(
            DryRun(what="a pod", pod=bare(), calls=1),
            "failed",
            f"{_WITHOUT}, although the webhook was called: another webhook took it out again (z-other)",
            "another-webhook-changes-the-pod",
            id="called, and taken out again",
        ),
        pytest.param(
            DryRun(what="a pod", pod=bare()),
            "failed",
            f"{_WITHOUT}: the API server does not call the webhook, or gets no answer, or another webhook takes it out "
            "again (z-other)",
            "no-aws_role_arn",
            id="it is not known whether it was called",
        ),
        pytest.param(
            DryRun(what="a pod", pod=bare(), warnings=["pod-identity-webhook: left alone: container app"], calls=1),
            "failed",
            f"{_WITHOUT}: pod-identity-webhook: left alone: container app",
            "no-aws_role_arn",
            id="the webhook warns",
        ),
        pytest.param(
            DryRun(what="a pod", why="right", refusal="403 (grant …)"), "unknown", "403 (grant …)", "", id="no right"
        ),
        pytest.param(
            DryRun(what="a pod", why="webhook", refusal="failed calling webhook"),
            "failed",
            "the API server refused a pod: failed calling webhook",
            "failed-calling-webhook",
            id="it fails closed",
        ),
        pytest.param(
            DryRun(what="a pod", why="denied", refusal="denied the request"),
            "failed",
            "the API server refused a pod: denied the request",
            "denied-the-request",
            id="denied",
        ),
        pytest.param(
            DryRun(what="a pod", why="other", refusal="exceeded quota"),
            "unknown",
            "the API server refused a pod: exceeded quota",
            "",
            id="refused by something else",
        ),
    ],
)
def test_the_dry_run(run: DryRun, status: str, found: str, anchor: str) -> None:
    step = dry_run_step(run, IDENTITY, _WITH_OTHER)

    assert (step.status, step.found, step.anchor) == (status, found, anchor)


@pytest.mark.parametrize(("unread", "status"), [("", "failed"), ("their defaults are assumed", "ok")])
def test_a_token_elsewhere_is_a_fault_only_if_the_flags_are_known(unread: str, status: str) -> None:
    pod = injected()
    pod["spec"]["containers"][0]["env"][1]["value"] = "/var/run/elsewhere/token"

    step = dry_run_step(DryRun(what="a pod", pod=pod), IDENTITY, installation(unread_flags=unread))

    assert step.status == status


def test_no_other_webhook_is_suspected_if_there_is_none() -> None:
    step = dry_run_step(DryRun(what="a pod", pod=bare()), IDENTITY, _ALONE)

    assert step.found == f"{_WITHOUT}: the API server does not call the webhook, or gets no answer"


@pytest.mark.parametrize("calls", [0, None])
def test_match_conditions_are_suspected_first(calls: int | None) -> None:
    conditional = entry("plain", matchConditions=[{"name": "not-mine", "expression": "false"}])
    facts = installation(configuration=Read(configuration(conditional)))

    step = dry_run_step(DryRun(what="a pod", pod=bare(), calls=calls), IDENTITY, facts)

    assert step.next.startswith("see whether matchConditions not-mine are true for this pod; if so, do what the ")
