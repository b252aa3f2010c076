"""What replay writes: its formats, results, warnings, exit codes and colours."""

import json
import os
import pty
import subprocess

import pytest

from tests.commands.manifests import pod, review, service_account, stream
from tests.commands.outcome import COMMAND, ROOT, assert_golden, run, run_process, without_settings

MIXED = stream(
    service_account(),
    review(pod()),
    pod(name="skipped", labels={"eks.amazonaws.com/skip-pod-identity-webhook": "true"}),
    pod("other", name="without-account"),
    pod("other", name="refused", labels={"eks.amazonaws.com/require-pod-identity": "true"}),
    review("not a pod", uid="3b1f3a5e-0000-4000-8000-000000000002"),
    review(pod(), uid=""),
    review(pod()) | {"request": {"uid": "u", "kind": {"group": "apps", "version": "v1", "kind": "Scale"}}},
)


@pytest.mark.parametrize("output", ["diff", "patch", "pod", "review", "json", "github"])
def test_each_output_equals_its_golden_file(output: str) -> None:
    outcome = run("replay", "-", "--output", output, stdin=MIXED)

    assert outcome.code == 1
    assert_golden(f"mixed-{output}.txt", outcome.out + "--- standard error\n" + outcome.err + outcome.count + "\n")


def test_patch_and_review_are_one_line_of_json_an_object() -> None:
    text = stream(service_account(), pod(), pod("other", name="second"))

    patches = [json.loads(line) for line in run("replay", "-", "-o=patch", stdin=text).out.splitlines()]
    reviews = [json.loads(line) for line in run("replay", "-", "-oreview", stdin=text).out.splitlines()]

    assert [operation["op"] for operation in patches[0]] == ["add"] * 3
    assert patches[1] == []
    assert [each["response"]["allowed"] for each in reviews] == [True, True]
    assert ["patch" in each["response"] for each in reviews] == [True, False]


def test_the_skip_label_of_the_configured_prefix_is_reported() -> None:
    label = {"aws.example/skip-pod-identity-webhook": ""}
    account = service_account()
    account["metadata"]["annotations"] = {"aws.example/role-arn": "arn:aws:iam::111122223333:role/web"}
    text = stream(account, pod(labels=label))

    other = run("replay", "-", "--annotation-prefix=aws.example", stdin=text)
    usual = run("replay", "-", stdin=text)

    assert other.out == (
        "# Pod shop/app (standard input, line 2)\n"
        "# not called: the API server does not call the webhook for pods with the label "
        "aws.example/skip-pod-identity-webhook\n\n"
    )
    assert (other.code, usual.code) == (0, 0)
    assert "not called" not in usual.out


@pytest.mark.parametrize(("value", "called"), [("true", True), ("T", True), ("maybe", True), ("0", False)])
def test_the_skip_label_does_not_apply_to_a_pod_that_requires_its_identity(value: str, called: bool) -> None:
    labels = {
        f"eks.amazonaws.com/{name}": text
        for name, text in (("skip-pod-identity-webhook", ""), ("require-pod-identity", value))
    }

    outcome = run("replay", "-", stdin=stream(pod(labels=labels)))

    assert ("not called" not in outcome.out) == called
    assert ("denied: " in outcome.out) == called


def test_a_denied_pod_exits_1_with_the_reason() -> None:
    required = pod("other", labels={"eks.amazonaws.com/require-pod-identity": "true"})

    outcome = run("replay", "-", stdin=stream(service_account(), pod(), required))

    assert outcome.code == 1
    assert "# patched: injected\n" in outcome.out
    assert "# Pod other/app (standard input, line 3)\n# denied: " in outcome.out
    assert "ServiceAccount other/web" in outcome.out.rpartition("# denied: ")[2]


@pytest.mark.parametrize("output", ["patch", "pod", "review"])
def test_warnings_go_to_standard_error_if_the_output_is_for_programs(output: str) -> None:
    account = service_account()
    account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] = "arn:aws:iam:111122223333:role/web"
    outcome = run("replay", "-", "-o", output, stdin=stream(account, pod()))
    who = "pod-identity-webhook replay: Pod shop/app (standard input, line 2)"
    problem = 'annotation eks.amazonaws.com/role-arn: "arn:aws:iam:111122223333:role/web" is not a role ARN'
    assert outcome.err == f"{who}: warning: injected unchanged: {problem}\n"
    assert outcome.code == 0


def test_an_http_error_of_the_webhook_exits_1() -> None:
    outcome = run("replay", "-", stdin=stream(review(pod(), uid="")))

    assert outcome.code == 1
    assert "\n# error: HTTP 400: " in outcome.out


@pytest.mark.parametrize(
    ("more", "argv", "is_plain"),
    [
        ({}, [], False),
        ({"NO_COLOR": "1"}, [], True),
        ({"TERM": "dumb"}, [], True),
        ({}, ["--color=never"], True),
        ({"NO_COLOR": "1"}, ["--color=always"], False),
    ],
)
def test_a_terminal_gets_colours_unless_told_otherwise(more: dict[str, str], argv: list[str], is_plain: bool) -> None:
    ours, theirs = pty.openpty()
    environ = without_settings() | {"PYTHONPATH": str(ROOT), "TERM": "xterm"} | more
    given = ["replay", "--service-accounts", "examples/service-accounts.yaml", "examples/reviews"]
    argv = [*COMMAND, *given, *argv]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=theirs, cwd=ROOT, env=environ) as process:
        os.close(theirs)
        shown = _until_closed(ours).replace("\r\n", "\n")

    assert process.returncode == 0
    plain = run_process(*given).out
    if is_plain:
        assert shown == plain
    else:
        assert "\n\x1b[32m+      value: arn:aws:iam::111122223333:role/shop-reports\x1b[0m\n" in shown
        for colour in ("1", "32", "36", "0"):
            shown = shown.replace(f"\x1b[{colour}m", "")
        assert shown == plain


def _until_closed(terminal: int) -> str:
    read = b""
    try:
        while chunk := os.read(terminal, 65536):
            read += chunk
    except OSError:
        # Linux reports the end of a closed terminal as an error.
        pass
    os.close(terminal)
    return read.decode()
