from typing import Any

import msgspec
import pytest

from webhook.admission.pod import Pod
from webhook.cluster.documents import Document
from webhook.cluster.workloads import Classified, pods_of
from webhook.errors import ManifestError

SPEC = {"serviceAccountName": "app", "containers": [{"name": "app", "image": "app:1"}]}
TEMPLATE = {
    "metadata": {
        "name": "ignored",
        "namespace": "ignored",
        "creationTimestamp": None,
        "labels": {"app": "web"},
        "annotations": {"a": "b"},
        "finalizers": ["x/y"],
    },
    "spec": SPEC,
}
FROM_TEMPLATE = {"labels": {"app": "web"}, "annotations": {"a": "b"}, "finalizers": ["x/y"]}


def classified(members: dict[str, Any], namespace: str = "team") -> Classified:
    return pods_of(Document(members, "app.yaml", 3), namespace)


def pod_of(found: Classified) -> dict[str, Any]:
    assert found.pod is not None
    return found.pod


def problem_of(members: dict[str, Any]) -> str:
    with pytest.raises(ManifestError) as raised:
        classified(members)
    return str(raised.value).removeprefix("app.yaml, line 3: ")


def workload(api_version: str, kind: str, **members: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web"}, **members}


@pytest.mark.parametrize(
    "document",
    [
        workload("apps/v1", "Deployment", spec={"replicas": 2, "template": TEMPLATE}),
        workload("apps/v1", "DaemonSet", spec={"template": TEMPLATE}),
        workload("apps/v1", "ReplicaSet", spec={"template": TEMPLATE}),
        workload("v1", "ReplicationController", spec={"template": TEMPLATE}),
        workload("batch/v1", "Job", spec={"template": TEMPLATE}),
        workload("batch/v1", "CronJob", spec={"jobTemplate": {"spec": {"template": TEMPLATE}}}),
        workload("v1", "PodTemplate", template=TEMPLATE),
        workload("extensions/v1beta1", "Deployment", spec={"template": TEMPLATE}),
        workload("argoproj.io/v1alpha1", "Rollout", spec={"template": TEMPLATE}),
        workload("serving.knative.dev/v1", "Service", spec={"template": TEMPLATE}),
    ],
    ids=lambda document: f"{document['apiVersion']} {document['kind']}",
)
def test_a_workload_gives_the_pod_that_its_controller_creates(document: dict[str, Any]) -> None:
    found = classified(document)
    assert found == Classified(
        "pod",
        f"{document['kind']} team/web",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"generateName": "web-", "namespace": "team", **FROM_TEMPLATE},
            "spec": SPEC,
        },
    )
    pod = msgspec.json.decode(msgspec.json.encode(found.pod), type=Pod)
    assert pod.service_account_name == "app"


@pytest.mark.parametrize(
    ("ordinals", "name"), [({}, "web-0"), ({"ordinals": None}, "web-0"), ({"ordinals": {"start": 3}}, "web-3")]
)
def test_a_stateful_set_names_its_pods_itself(ordinals: dict[str, Any], name: str) -> None:
    found = classified(workload("apps/v1", "StatefulSet", spec={**ordinals, "template": {"spec": SPEC}}))
    assert pod_of(found)["metadata"] == {"name": name, "namespace": "team"}


def test_a_workload_with_a_generated_name_hands_it_on() -> None:
    document = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "migrate-", "namespace": "shop"},
        "spec": {"template": {"metadata": None, "spec": SPEC}},
    }
    found = classified(document)
    assert found.label == "Job shop/migrate-*"
    assert pod_of(found)["metadata"] == {"generateName": "migrate-", "namespace": "shop"}


def test_a_pod_keeps_everything_and_gets_its_namespace() -> None:
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "uid": "u"}, "spec": SPEC, "status": {}}
    found = classified(document)
    assert (found.role, found.label) == ("pod", "Pod team/web")
    assert found.pod == {**document, "metadata": {"name": "web", "uid": "u", "namespace": "team"}}
    assert "namespace" not in document["metadata"]


@pytest.mark.parametrize(
    ("metadata", "label", "namespace"),
    [
        ({"name": "web", "namespace": "shop"}, "Pod shop/web", "shop"),
        ({"name": "web", "namespace": ""}, "Pod team/web", "team"),
        ({"generateName": "web-"}, "Pod team/web-*", "team"),
        ({}, "Pod team/without a name", "team"),
        (None, "Pod team/without a name", "team"),
    ],
)
def test_a_pod_is_shown_by_namespace_and_name(metadata: Any, label: str, namespace: str) -> None:
    found = classified({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": SPEC})
    assert found.label == label
    assert pod_of(found)["metadata"]["namespace"] == namespace


@pytest.mark.parametrize(
    ("document", "role", "label"),
    [
        ({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}, "review", "AdmissionReview"),
        ({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"}, "review", "AdmissionReview"),
        ({"request": {"uid": "u"}}, "review", "AdmissionReview"),
        (workload("v1", "ServiceAccount"), "service_account", "ServiceAccount team/web"),
        (workload("v1", "ConfigMap"), "config_map", "ConfigMap team/web"),
        (workload("v1", "Service"), "other", "Service web"),
        (workload("x.io/v1", "ServiceAccount"), "other", "ServiceAccount web"),
        (workload("x.io/v1", "Pod", spec=SPEC), "other", "Pod web"),
        (workload("argoproj.io/v1alpha1", "Rollout", spec={"workloadRef": {}}), "other", "Rollout web"),
        (workload("x.io/v1", "Thing", spec={"template": {"spec": {"containers": "x"}}}), "other", "Thing web"),
        (workload("x.io/v1", "Thing", spec={"template": "x"}), "other", "Thing web"),
        (workload("x.io/v1", "Thing", spec=None), "other", "Thing web"),
        (workload("x.io/v1", "Thing", spec=[]), "other", "Thing web"),
    ],
)
def test_what_is_no_workload_is_told_by_its_kind(document: dict[str, Any], role: Any, label: str) -> None:
    assert classified(document) == Classified(role, label)


def test_a_namespaced_object_of_another_kind_is_shown_with_its_own_namespace() -> None:
    document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}}
    assert classified(document) == Classified("other", "Service shop/web")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"apiVersion": "v1"}, "kind: missing"),
        ({"kind": "Pod"}, "apiVersion: missing"),
        ({"request": "x"}, "kind: missing"),
        ({"apiVersion": "v1", "kind": ["Pod"]}, "kind: expected a string, got a list"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": "x"}, "metadata: expected an object, got a string"),
        (
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 5}},
            "metadata.name: expected a string, got a number",
        ),
        (workload("apps/v1", "Deployment"), "spec.template.spec: missing"),
        (workload("apps/v1", "Deployment", spec={"template": {}}), "spec.template.spec: missing"),
        (workload("apps/v1", "Deployment", spec={"template": 1}), "spec.template: expected an object, got a number"),
        (
            workload("apps/v1", "Deployment", spec={"template": {"spec": []}}),
            "spec.template.spec: expected an object, got a list",
        ),
        (
            workload("apps/v1", "Deployment", spec={"template": {"metadata": [], "spec": {}}}),
            "spec.template.metadata: expected an object, got a list",
        ),
        (
            workload("batch/v1", "CronJob", spec={"jobTemplate": {"spec": True}}),
            "spec.jobTemplate.spec: expected an object, got a boolean",
        ),
        (workload("batch/v1", "CronJob", spec={}), "spec.jobTemplate.spec.template.spec: missing"),
        (workload("v1", "PodTemplate"), "template.spec: missing"),
        ({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": TEMPLATE}}, "metadata.name: missing"),
        (
            workload("apps/v1", "StatefulSet", spec={"ordinals": 1, "template": TEMPLATE}),
            "spec.ordinals: expected an object, got a number",
        ),
    ],
)
def test_a_shape_that_makes_no_sense_is_named_with_its_path(document: dict[str, Any], problem: str) -> None:
    assert problem_of(document) == problem
