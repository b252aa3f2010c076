"""The screens of `doctor`, as golden files."""

import json
import re
import sys
from datetime import UTC, datetime

import pytest

from tests.commands.outcome import assert_golden
from webhook.commands.doctor.output import Diagnosis, as_json, print_text
from webhook.diagnosis.doctor.questions import ACCOUNT, ASSUME, CERTIFICATE, CONFIGURATION, RIGHTS, TRUST, VARIABLES
from webhook.diagnosis.doctor.symptoms import symptom_of
from webhook.terminal import escaping

_NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
_STEPS = (
    ACCOUNT.ok("arn:aws:iam::111122223333:role/s3-reader"),
    CERTIFICATE.unknown("get secrets: 403 (grant …)", "kubectl exec …"),
    TRUST.failed("role.json: no Allow applies", "trust-policy render prints one"),
    VARIABLES.failed("container \x1b[31mapp has neither", "kubectl rollout restart deployment/app"),
    ASSUME.skipped("only with --assume-role"),
)


def _shown(capsys: pytest.CaptureFixture[str], diagnosis: Diagnosis, colour: str = "never") -> str:
    with escaping(sys.stdout, sys.stderr):
        print_text(diagnosis, colour, {})
    return capsys.readouterr().out


def test_a_broken_chain(capsys: pytest.CaptureFixture[str]) -> None:
    shown = _shown(capsys, Diagnosis("Pod shop/app", _NOW, _STEPS, notes=["defaults are assumed"]))

    assert_golden("doctor-broken.txt", shown)
    assert "\x1b" not in shown


def test_on_a_narrow_terminal_what_was_found_stands_below_the_title(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    long = TRUST.failed("a policy " * 12, "trust-policy render")

    assert_golden("doctor-narrow.txt", _shown(capsys, Diagnosis("Pod shop/app", _NOW, (*_STEPS[:2], long))))


def test_no_colour_is_hard_to_read_on_a_white_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    symptom = symptom_of("Unable to locate credentials")
    shown = _shown(capsys, Diagnosis("Pod shop/app", _NOW, _STEPS, symptom, ["a note"]), "always")

    styles = {style for codes in re.findall(r"\x1b\[([0-9;]*)m", shown) for style in codes.split(";")}
    bold, dim, red, green, magenta = "1", "2", "31", "32", "35"
    assert styles == {"0", bold, dim, red, green, magenta}


def test_with_a_symptom_the_step_that_it_points_to_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    symptom = symptom_of("Unable to locate credentials")

    assert_golden("doctor-symptom.txt", _shown(capsys, Diagnosis("Pod shop/app", _NOW, _STEPS, symptom)))


def test_a_pod_that_was_not_injected_begins_with_what_would_not_inject_a_new_one_either() -> None:
    missing = CONFIGURATION.failed("MutatingWebhookConfiguration x does not exist", "helm install")
    symptom = symptom_of("Unable to locate credentials")

    diagnosis = Diagnosis("Pod shop/app", _NOW, (missing, *_STEPS), symptom)

    assert [step.name for step in diagnosis.failed] == ["configuration", "pod-variables", "trust-policy"]


def test_a_right_that_the_webhook_lacks_comes_before_what_it_causes() -> None:
    foreign = CERTIFICATE.failed("the caBundle is of another CA", "its log says why")
    rights = RIGHTS.failed("it lacks: patch mutatingwebhookconfigurations", "add this rule")

    assert Diagnosis("The webhook x", _NOW, (foreign, rights)).failed == [rights, foreign]


def test_if_nothing_could_be_seen_it_is_not_fine(capsys: pytest.CaptureFixture[str]) -> None:
    diagnosis = Diagnosis("The webhook x", _NOW, (CERTIFICATE.unknown("403"), ASSUME.skipped("only if asked")))

    assert not diagnosis.saw_something
    assert _shown(capsys, diagnosis).endswith(
        "Nothing could be seen: doctor needs more rights, or other credentials.\n"
    )


def test_a_whole_chain(capsys: pytest.CaptureFixture[str]) -> None:
    assert_golden("doctor-fine.txt", _shown(capsys, Diagnosis("Pod shop/app", _NOW, _STEPS[:1])))


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(as_json(Diagnosis("Pod shop/app", _NOW, _STEPS)))

    assert document["failed"] == ["trust-policy", "pod-variables"]
    assert document["steps"][2] == {
        "name": "trust-policy",
        "title": "The role's trust policy allows it",
        "status": "failed",
        "found": "role.json: no Allow applies",
        "next": "trust-policy render prints one",
        "see": "docs/troubleshooting.md#accessdenied",
    }
    assert capsys.readouterr().out == ""


def test_json_means_the_same_whatever_the_cluster_has(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J\x7f\x9b\u202e\U000e0001[red]\n"
    with escaping(sys.stdout, sys.stderr):
        sys.stdout.write(as_json(Diagnosis(evil, _NOW, (TRUST.failed(evil, evil),))))

    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert json.loads(out)["steps"][0]["found"] == evil
