"""What replay reads: workloads, lists, folders, the output of Helm, namespaces."""

import json
from pathlib import Path

import pytest
import yaml

from tests.commands.manifests import Object, pod, review, service_account, stream, template, workload
from tests.commands.outcome import assert_golden, run
from tests.commands.replay.pods import OURS, patched_pods

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
