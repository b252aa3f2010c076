import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands.manifests import Object, config_map, pod, review, service_account, stream, template, workload
from tests.commands.outcome import COMMAND, ROOT, assert_golden, run, run_process, without_settings

OURS = ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"]
TEMPLATE = {"template": template(labels={"app": "app"})}
WORKLOADS: dict[str, tuple[Object, str, dict[str, str]]] = {
    "a Pod": (pod(), "Pod shop/app", {"name": "app"}),
    "an AdmissionReview": (review(pod()), "AdmissionReview of Pod shop/app", {"name": "app"}),
    "a Deployment": (workload("Deployment", "apps/v1", TEMPLATE), "Deployment shop/app", {"generateName": "app-"}),
    "a StatefulSet": (workload("StatefulSet", "apps/v1", TEMPLATE), "StatefulSet shop/app", {"name": "app-0"}),
    "a DaemonSet": (workload("DaemonSet", "apps/v1", TEMPLATE), "DaemonSet shop/app", {"generateName": "app-"}),
    "a ReplicaSet": (workload("ReplicaSet", "apps/v1", TEMPLATE), "ReplicaSet shop/app", {"generateName": "app-"}),
    "a Job": (workload("Job", "batch/v1", TEMPLATE), "Job shop/app", {"generateName": "app-"}),
    "a CronJob": (
        workload("CronJob", "batch/v1", {"jobTemplate": {"spec": TEMPLATE}}),
        "CronJob shop/app",
        {"generateName": "app-"},
    ),
    "a kind that we do not know": (
        workload("Rollout", "argoproj.io/v1alpha1", TEMPLATE),
        "Rollout shop/app",
        {"generateName": "app-"},
    ),
}
# Output of `helm template`: comments, an empty document, objects that are not workloads, in Helm's order.
CHART = """---
# Source: app/templates/serviceaccount.yaml
apiVersion: v1
kind: ServiceAccount
metadata:
  name: web
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/web
---
# Source: app/templates/empty.yaml
---
# Source: app/templates/service.yaml
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports: [{port: 80}]
---
# Source: app/templates/clusterrole.yaml
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: web
rules: []
---
# Source: app/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    metadata:
      annotations:
        eks.amazonaws.com/skip-containers: proxy
    spec:
      serviceAccountName: web
      initContainers:
        - name: log-shipper
          restartPolicy: Always
      containers:
        - name: web
          env:
            - name: AWS_ROLE_ARN
              value: mine
        - name: proxy
---
apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly
  namespace: other
spec:
  jobTemplate:
    spec:
      template:
        spec:
          serviceAccountName: batch
          containers:
            - name: nightly
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: batch
  namespace: other
"""


def patched_pods(out: str) -> list[Any]:
    return list(yaml.safe_load_all(out))


@pytest.mark.parametrize("name", WORKLOADS)
def test_replay_patches_the_pod_of(name: str) -> None:
    manifest, label, metadata = WORKLOADS[name]
    text = stream(service_account(), manifest)

    shown = run("replay", "-", stdin=text)
    (made,) = patched_pods(run("replay", "-", "-o", "pod", stdin=text).out)

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(f"# {label} (standard input, line 2)\n# patched: injected\n--- before\n+++ after\n")
    assert {key: made["metadata"].get(key) for key in ("namespace", *metadata)} == {"namespace": "shop"} | metadata
    assert made["kind"] == "Pod"
    assert [variable["name"] for variable in made["spec"]["containers"][0]["env"]] == OURS
    assert [volume["name"] for volume in made["spec"]["volumes"]] == ["aws-iam-token"]


def test_a_list_is_replaced_by_its_items() -> None:
    items = [service_account(), pod(), pod(name="second")]

    outcome = run("replay", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    assert outcome.code == 0
    assert [line for line in outcome.out.splitlines() if line.startswith("# Pod")] == [
        "# Pod shop/app (standard input, line 1, items[1])",
        "# Pod shop/second (standard input, line 1, items[2])",
    ]


def test_the_output_of_helm_template_can_be_replayed(tmp_path: Path) -> None:
    outcome = run("replay", "-", stdin=CHART)
    (tmp_path / "app.yaml").write_text(CHART)

    assert (outcome.code, outcome.err) == (0, "")
    assert_golden("chart-diff.txt", outcome.out)
    # If the input is a file, only the file's name differs.
    (path,) = tmp_path.iterdir()
    assert run("replay", str(path)).out == outcome.out.replace("standard input", str(path))


def test_a_folders_manifests_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps(pod(name="second")))
    (tmp_path / "a.yml").write_text(yaml.safe_dump(pod(name="first")))
    (tmp_path / "notes.txt").write_text("not: [read")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(service_account()))

    outcome = run("replay", str(tmp_path), "-o", "pod")

    assert (outcome.code, outcome.err) == (0, "")
    assert [each["metadata"]["name"] for each in patched_pods(outcome.out)] == ["first", "second"]
    assert outcome.out.count("AWS_ROLE_ARN") == 2


def test_several_inputs_are_combined_and_the_last_service_account_of_a_name_wins(tmp_path: Path) -> None:
    (tmp_path / "accounts.yaml").write_text(yaml.safe_dump(service_account(role="of-the-file")))
    (tmp_path / "pod.json").write_text(stream(pod(), service_account(role="of-the-stream")))

    outcome = run("replay", "--service-accounts", str(tmp_path / "accounts.yaml"), str(tmp_path / "pod.json"))
    alone = run("replay", "--service-accounts", str(tmp_path / "accounts.yaml"), "-", stdin=stream(pod()))

    assert "role/of-the-stream" in outcome.out
    assert "role/of-the-file" not in outcome.out
    assert "role/of-the-file" in alone.out


@pytest.mark.parametrize(
    ("named", "flag", "expected"),
    [("shop", "other", "shop"), (None, "other", "other"), (None, "", "default"), ("", "", "default")],
)
def test_the_namespace_is_from_the_object_else_from_the_flag_else_default(
    named: str | None, flag: str, expected: str
) -> None:
    text = stream(workload("Deployment", "apps/v1", TEMPLATE, named), service_account(expected))

    outcome = run("replay", "-", *([f"--namespace={flag}"] if flag else []), stdin=text)

    assert outcome.out.startswith(f"# Deployment {expected}/app (standard input, line 1)\n# patched: injected\n")


def test_the_namespace_of_a_template_is_ignored() -> None:
    spec = {"template": template(namespace="other", name="other", generateName="other-")}

    outcome = run("replay", "-", "-o", "pod", stdin=stream(workload("Deployment", "apps/v1", spec), service_account()))

    assert patched_pods(outcome.out)[0]["metadata"] == {"generateName": "app-", "namespace": "shop"}
    assert "AWS_ROLE_ARN" in outcome.out


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


def test_admission_flags_apply() -> None:
    text = stream(service_account(), pod())

    outcome = run(
        "replay", "-", "-o", "pod", "--aws-default-region=eu-central-1", "--token-expiration=3600", stdin=text,
        environ={"PIW_STS_REGIONAL_ENDPOINT": "true"},
    )  # fmt: skip

    (made,) = patched_pods(outcome.out)
    assert [variable["name"] for variable in made["spec"]["containers"][0]["env"]] == [
        "AWS_STS_REGIONAL_ENDPOINTS",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        *OURS,
    ]
    assert made["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 3600


def test_the_mapping_applies_if_its_flag_is_set_and_bad_entries_are_reported() -> None:
    mapping = {"shop/web": {"RoleARN": "arn:aws:iam::111122223333:role/mapped"}, "no-slash": {"RoleARN": "x"}}
    text = stream(pod(), config_map(json.dumps(mapping)))

    outcome = run("replay", "-", "--watch-config-map", stdin=text)
    unasked = run("replay", "-", stdin=text)

    assert outcome.code == 0
    assert "role/mapped" in outcome.out
    assert outcome.err.startswith("pod-identity-webhook replay: standard input, line 2: data.config: ")
    assert "no-slash" in outcome.err
    assert outcome.err.count("\n") == 1
    assert (unasked.code, unasked.err, "role/mapped" in unasked.out) == (0, "", False)


def test_the_container_credentials_file_decides(tmp_path: Path) -> None:
    config = tmp_path / "identities.json"
    config.write_text('{"identities":[{"namespace":"shop","serviceAccount":"web"}]}')

    outcome = run("replay", "-", f"--watch-container-credentials-config={config}", stdin=stream(pod()))

    assert outcome.code == 0
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" in outcome.out


@pytest.mark.parametrize(("content", "problem"), [(None, "No such file or directory"), ("{", "truncated")])
def test_a_container_credentials_file_that_cannot_be_used_is_a_usage_error(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    config = tmp_path / "identities.json"
    if content is not None:
        config.write_text(content)

    outcome = run("replay", "-", f"--watch-container-credentials-config={config}", stdin=stream(pod()))

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[0].startswith(
        f"pod-identity-webhook replay: --watch-container-credentials-config: {config}: "
    )
    assert problem in outcome.err.splitlines()[0]


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


def test_skipped_workloads_are_named_and_counted_at_the_end() -> None:
    text = stream(
        service_account(),
        workload("Deployment", "apps/v1", {"template": template()}),
        workload("ScaledJob", "keda.sh/v1alpha1", {"jobTargetRef": {"template": template()}}),
        workload("Workflow", "argoproj.io/v1alpha1", {"serviceAccountName": "web", "templates": [{"name": "main"}]}),
        workload(
            "RunnerDeployment", "actions.summerwind.dev/v1alpha1", {"template": {"spec": {"serviceAccountName": "w"}}}
        ),
        workload("ServiceMonitor", "monitoring.coreos.com/v1", {"endpoints": []}),
    )

    outcome = run("replay", "-", "-o", "pod", stdin=text)

    assert outcome.code == 0
    assert len(patched_pods(outcome.out)) == 2
    begin = "pod-identity-webhook replay: "
    reasons = {
        name: f"its pods run as ServiceAccount {name}, but it has no pod template with containers"
        for name in ("web", "w")
    }
    assert outcome.err.splitlines() == [
        f"{begin}Workflow shop/app (standard input, line 4): skipped: {reasons['web']}",
        f"{begin}RunnerDeployment shop/app (standard input, line 5): skipped: {reasons['w']}",
    ]
    assert outcome.count == "2 replayed: 2 injected; skipped: 2 workloads"
