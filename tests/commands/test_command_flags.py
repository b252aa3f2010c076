"""The flags that serve and replay have, and what the command does with a command line."""

from pathlib import Path

import pytest

from tests.commands.outcome import ROOT, assert_golden, run, run_process
from webhook.commands.audit.flags import AUDIT_FLAGS
from webhook.commands.flags.by_command import REPLAY_FLAGS, SERVE_FLAGS
from webhook.commands.flags.flag import Flag
from webhook.commands.flags.parsing import parse

# Names, defaults and environment variables of the admission contract, written by hand.
GO_FLAGS = {
    "annotation-prefix": "eks.amazonaws.com",
    "token-audience": "sts.amazonaws.com",
    "token-expiration": 86400,
    "token-mount-path": "/var/run/secrets/eks.amazonaws.com/serviceaccount",
    "aws-default-region": "",
    "sts-regional-endpoint": False,
    "invalid-role-arn": "inject",
    "compose-role-arn": False,
    "aws-account-id": "",
    "aws-partition": "",
    "watch-config-map": False,
    "watch-container-credentials-config": None,
    "container-credentials-audience": "pods.eks.amazonaws.com",
    "container-credentials-token-mount-path": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
    "container-credentials-token-volume-name": "eks-pod-identity-token",
    "container-credentials-token-path": "eks-pod-identity-token",
    "container-credentials-full-uri": "http://169.254.170.23/v1/credentials",
    "bind-address": "",
    "port": 443,
    "metrics-port": 9999,
    "enable-debugging-handlers": False,
    "namespace": "eks",
    "service-name": "pod-identity-webhook",
    "tls-secret": "pod-identity-webhook",
    "tls-cert": Path("/etc/webhook/certs/tls.crt"),
    "tls-key": Path("/etc/webhook/certs/tls.key"),
    "tls-min-version": "1.2",
    "tls-cipher-suites": "",
    "in-cluster": True,
    "kubeconfig": "",
    "kube-api": "",
    "resync-period": 60.0,
    "service-account-lookup-timeout": 1.0,
    "service-account-lookup-grace-period": 0.0,
}
KLOG_FLAGS = (
    "--logtostderr",
    "--alsologtostderr",
    "--alsologtostderrthreshold=2",
    "--stderrthreshold=INFO",
    "--add_dir_header",
    "--log_dir=/tmp",
    "--log_file=x",
    "--log_file_max_size=1",
    "--log_backtrace_at=a.go:1",
    "--one_output",
    "--legacy_stderr_threshold_behavior=false",
    "--skip_headers",
    "--skip_log_headers",
    "--vmodule=a=1",
)


@pytest.mark.parametrize("name", GO_FLAGS)
def test_serve_has_the_go_webhooks_flag_with_its_default(name: str) -> None:
    value = parse(SERVE_FLAGS, [], {}).values[name.replace("-", "_")]

    assert value == GO_FLAGS[name]
    assert type(value) is type(GO_FLAGS[name])


@pytest.mark.parametrize("name", GO_FLAGS)
def test_serve_takes_the_go_webhooks_flag_in_each_spelling_and_as_a_variable(name: str) -> None:
    field = name.replace("-", "_")
    other, expected = _other(name)

    for argv, environ in (
        ([f"--{name}={other}"], {}),
        ([f"--{field}={other}"], {}),
        ([], {f"PIW_{field.upper()}": other}),
    ):
        parsed = parse(SERVE_FLAGS, argv, environ)
        assert (parsed.problems, parsed.values[field]) == ([], expected)


def _other(name: str) -> tuple[str, object]:
    """Returns a value that is not the default, as text and parsed."""
    default = GO_FLAGS[name]
    if name == "invalid-role-arn":
        return "skip", "skip"
    if default is None or isinstance(default, Path):
        return "other", Path("other")
    if isinstance(default, bool):
        return str(not default).lower(), not default
    if isinstance(default, int):
        return "1234", 1234
    return ("90s", 90.0) if isinstance(default, float) else ("other", "other")


@pytest.mark.parametrize("name", [flag.name for flag in REPLAY_FLAGS])
def test_replay_takes_each_of_its_flags_as_a_variable_too(name: str) -> None:
    flag = next(flag for flag in REPLAY_FLAGS if flag.name == name)
    text = {"bool": "true", "int": "7"}.get(flag.kind) or (flag.choices[-1] if flag.choices else "other")

    parsed = parse(REPLAY_FLAGS, [], {flag.variable: text})

    assert parsed.problems == []
    assert parsed.given == {name.replace("-", "_")}


def test_replay_has_all_admission_flags_of_serve() -> None:
    admission = {"What pods get", "Container credentials (EKS Pod Identity)", "Where roles come from"}

    assert {flag.name for flag in SERVE_FLAGS if flag.group in admission} <= {flag.name for flag in REPLAY_FLAGS}


def test_klogs_flags_are_accepted_with_one_notice() -> None:
    failing = (
        "--service-accounts",
        str(ROOT / "examples"),
        "--tls-cert=/nowhere/tls.crt",
        "--tls-key=/nowhere/tls.key",
    )
    outcome = run_process("serve", *KLOG_FLAGS, "-v=2", *failing, environ={"PIW_PROT": "1", "PIW_PORTS": "1"})

    notices = [line.partition(" WARNING webhook.serve ")[2] for line in outcome.err.splitlines()[:2]]
    ignored = (
        "flags without effect are ignored: --logtostderr, --alsologtostderr, --alsologtostderrthreshold, "
        "--stderrthreshold, --add-dir-header, --log-dir, --log-file, --log-file-max-size, --log-backtrace-at, "
        "--one-output, --legacy-stderr-threshold-behavior, --skip-headers, --skip-log-headers, --vmodule"
    )
    assert notices == [ignored, "environment variables that are not flags are ignored: PIW_PORTS, PIW_PROT"]
    assert "/nowhere/tls.crt" in outcome.err.splitlines()[2]
    assert len(outcome.err.splitlines()) == 3


def test_serve_reports_all_problems_and_exits_2() -> None:
    outcome = run(
        "serve",
        "manifests.yaml",
        "--in_cluster=maybe",
        "--bogus",
        "--token-audience=",
        "--namespace=Not_A_Name",
        "--certificate-names=a.example",
        environ={"PIW_PORT": "tcp://10.0.0.1:443"},
    )

    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.splitlines() == [
        "pod-identity-webhook serve: --bogus: no such flag",
        "pod-identity-webhook serve: PIW_PORT: 'tcp://10.0.0.1:443' is not a port (0 to 65535)",
        "pod-identity-webhook serve: --in-cluster: 'maybe' is not a bool (true or false)",
        "pod-identity-webhook serve: 'manifests.yaml': serve takes flags only",
        "pod-identity-webhook serve: --namespace: 'Not_A_Name' is not a namespace's name (DNS label)",
        "pod-identity-webhook serve: --token-audience: '' is empty or has characters that are not printable ASCII",
        "See 'pod-identity-webhook serve --help'.",
    ]


def test_the_metadata_service_is_not_asked_before_all_flags_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")

    wrong = run("replay", "--compose-role-arn", "--output=x", "-")
    right = run("replay", "--compose-role-arn", "-", stdin='{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}')

    assert (wrong.code, right.code) == (2, 1)
    assert wrong.err.startswith(
        "pod-identity-webhook replay: --output: 'x' is not one of diff, patch, pod, review, json, github\n"
    )
    assert "127.0.0.1:1" in right.err
    assert len(right.err.splitlines()) == 1


@pytest.mark.parametrize(
    "argv",
    [
        ["--version"],
        ["-V"],
        ["version"],
        ["serve", "--version"],
        ["serve", "-V"],
        ["serve", "--port=x", "--version", "--bogus"],
        ["replay", "a.yaml", "--version=true"],
    ],
    ids=" ".join,
)
def test_the_version_flag_works_in_any_position(argv: list[str]) -> None:
    outcome = run(*argv)

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("pod-identity-webhook 0.")
    assert outcome.out.count("\n") == 1


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["help"]], ids=" ".join)
def test_help_names_the_commands(argv: list[str]) -> None:
    outcome = run(*argv)

    assert (outcome.code, outcome.err) == (0, "")
    assert_golden("help.txt", outcome.out)


@pytest.mark.parametrize(("verb", "flags"), [("serve", SERVE_FLAGS), ("replay", REPLAY_FLAGS), ("audit", AUDIT_FLAGS)])
def test_the_help_of_a_command_has_every_flag_of_it(verb: str, flags: tuple[Flag, ...]) -> None:
    outcome = run(verb, "--help", "--bogus")

    assert (outcome.code, outcome.err) == (0, "")
    words = outcome.out.replace(",", "").split()
    for flag in flags:
        assert f"--{flag.name}" in words or f"--{flag.name}=false" in words
    assert max(map(len, outcome.out.splitlines())) <= 100
    assert_golden(f"help-{verb}.txt", outcome.out)


def test_a_missing_or_unknown_command_is_a_usage_error() -> None:
    usage = run("--help").out

    missing, unknown = run(), run("sevre")

    assert (missing.code, unknown.code) == (2, 2)
    assert missing.err == f"pod-identity-webhook: a command is missing\n\n{usage}"
    assert unknown.err == f"pod-identity-webhook: 'sevre' is not a command\n\n{usage}"
    assert missing.out == unknown.out == ""


def test_flags_without_a_command_are_those_of_serve_as_with_the_go_webhook() -> None:
    outcome = run("--in-cluster=false", "--port=70000", "--logtostderr")

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines() == [
        "pod-identity-webhook serve: --port: '70000' is not a port (0 to 65535)",
        "See 'pod-identity-webhook serve --help'.",
    ]
