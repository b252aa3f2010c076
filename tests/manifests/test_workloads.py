from typing import Any

import msgspec
import pytest

from webhook.admission.pod import Pod
from webhook.errors import ManifestError
from webhook.manifests.documents import Document
from webhook.manifests.workloads import PodOf, pods_of, role_of

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


def document_of(members: dict[str, Any]) -> Document:
    return Document(members, "app.yaml", 3)


def classified(members: dict[str, Any], namespace: str = "team") -> PodOf:
    assert role_of(document_of(members)) == "other"
    (found,) = pods_of(document_of(members), namespace)
    return found


def pod_of(found: PodOf) -> dict[str, Any]:
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
def test_a_workload_results_in_the_pod_that_its_controller_creates(document: dict[str, Any]) -> None:
    found = classified(document)
    assert found == PodOf(
        f"{document['kind']} team/web",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"generateName": "web-", "namespace": "team", **FROM_TEMPLATE},
            "spec": SPEC,
        },
        # Only the controllers of other kinds than Kubernetes' own may name containers.
        is_named_later=document["apiVersion"] not in {"v1", "apps/v1", "batch/v1"},
    )
    pod = msgspec.json.decode(msgspec.json.encode(found.pod), type=Pod)
    assert pod.service_account_name == "app"


@pytest.mark.parametrize(
    ("ordinals", "name"), [({}, "web-0"), ({"ordinals": None}, "web-0"), ({"ordinals": {"start": 3}}, "web-3")]
)
def test_a_stateful_set_names_its_pods_itself(ordinals: dict[str, Any], name: str) -> None:
    found = classified(workload("apps/v1", "StatefulSet", spec={**ordinals, "template": {"spec": SPEC}}))
    assert pod_of(found)["metadata"] == {"name": name, "namespace": "team"}


def test_a_generated_name_of_a_workload_is_used_for_its_pods() -> None:
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
    assert found.label == "Pod team/web"
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
    ("spec", "made"),
    [
        ({}, {"serviceAccountName": "default"}),
        ({"serviceAccountName": ""}, {"serviceAccountName": "default"}),
        ({"serviceAccount": "app"}, {"serviceAccount": "app"}),
    ],
)
def test_a_pod_without_a_service_account_gets_default(spec: dict[str, Any], made: dict[str, Any]) -> None:
    for document in (
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec},
        workload("apps/v1", "Deployment", spec={"template": {"spec": spec}}),
    ):
        assert pod_of(classified(document))["spec"] == made


def test_a_mirror_pod_has_no_service_account() -> None:
    metadata = {"name": "web", "annotations": {"kubernetes.io/config.mirror": "x"}}
    assert pod_of(classified({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}}))["spec"] == {}


@pytest.mark.parametrize(
    ("document", "role"),
    [
        ({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}, "review"),
        ({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"}, "review"),
        ({"request": {"uid": "u"}}, "review"),
        (workload("v1", "ServiceAccount"), "service_account"),
        (workload("v1", "ConfigMap"), "config_map"),
        (workload("v1", "Service"), "other"),
        (workload("x.io/v1", "ServiceAccount"), "other"),
    ],
)
def test_the_kind_decides_the_role(document: dict[str, Any], role: str) -> None:
    assert role_of(document_of(document)) == role


CONTAINERS = {"spec": {"containers": [{"name": "a"}]}}


@pytest.mark.parametrize(
    "document",
    [
        workload("v1", "Service", spec={"serviceAccountName": "x"}),
        workload("rbac.authorization.k8s.io/v1", "RoleBinding", subjects=[{"kind": "ServiceAccount", "name": "x"}]),
        workload("policy/v1", "Thing", spec={"template": CONTAINERS}),
        workload("apiextensions.k8s.io/v1", "Thing", spec={"serviceAccountName": "x"}),
        workload("argoproj.io/v1alpha1", "Rollout", spec={"workloadRef": {}}),
        workload("kyverno.io/v1", "ClusterPolicy", spec={"pattern": {"spec": {"template": CONTAINERS}}}),
        workload("x.io/v1", "Thing", spec={"template": {"spec": {"containers": "x"}}}),
        workload("x.io/v1", "Thing", spec={"template": {"spec": {"containers": []}}}),
        workload("x.io/v1", "Thing", spec={"template": "x", "serviceAccountName": {"type": "string"}}),
        workload("x.io/v1", "Thing", spec={"serviceAccountName": ""}),
        workload("x.io/v1", "Thing", spec=None),
        workload("x.io/v1", "Thing", spec=[]),
    ],
    ids=lambda document: f"{document['apiVersion']} {document['kind']} {document.get('spec')}",
)
def test_kinds_that_create_no_pods_are_ignored(document: dict[str, Any]) -> None:
    assert pods_of(document_of(document), "team") == []


@pytest.mark.parametrize(
    "spec",
    [
        {"jobTargetRef": {"template": TEMPLATE}, "triggers": [{"type": "x"}]},
        {"replicatedJobs": [{"name": "w", "template": {"spec": {"template": TEMPLATE}}}]},
        {"a": [{"b": {"c": TEMPLATE}}], "serviceAccountName": "another"},
    ],
)
def test_a_pod_template_is_found_at_any_depth(spec: dict[str, Any]) -> None:
    found = classified(workload("keda.sh/v1alpha1", "ScaledJob", spec=spec))
    assert found.label == "ScaledJob team/web"
    assert pod_of(found)["metadata"] == {"generateName": "web-", "namespace": "team", **FROM_TEMPLATE}
    assert pod_of(found)["spec"] == SPEC


def test_each_of_several_pod_templates_has_its_path_in_the_label() -> None:
    jobs = [{"name": name, "template": {"spec": {"template": TEMPLATE}}} for name in ("driver", "workers")]
    found = pods_of(document_of(workload("jobset.x-k8s.io/v1alpha2", "JobSet", spec={"replicatedJobs": jobs})), "team")
    assert [one.label for one in found] == [
        "JobSet team/web, spec.replicatedJobs[0].template.spec.template",
        "JobSet team/web, spec.replicatedJobs[1].template.spec.template",
    ]
    assert [pod_of(one)["spec"] for one in found] == [SPEC, SPEC]


@pytest.mark.parametrize(
    ("document", "accounts"),
    [
        (
            workload("argoproj.io/v1alpha1", "Workflow", spec={"serviceAccountName": "batch", "templates": [{}]}),
            "batch",
        ),
        (
            workload("sparkoperator.k8s.io/v1beta2", "SparkApplication", spec={"driver": {"serviceAccount": "a"}}),
            "a",
        ),
        (workload("x.io/v1", "Pod", spec=SPEC), "app"),
        (workload("x.io/v1", "Many", spec=[{"serviceAccountName": name} for name in "abcab"]), "a, b, c"),
        (
            workload("monitoring.coreos.com/v1", "Prometheus", spec={"serviceAccountName": "p", **CONTAINERS["spec"]}),
            "p",
        ),
    ],
)
def test_a_workload_without_a_pod_template_has_a_reason_instead_of_a_pod(
    document: dict[str, Any], accounts: str
) -> None:
    found = classified(document)
    assert found.pod is None
    assert found.label == f"{document['kind']} team/web"
    assert found.why == (f"its pods run as ServiceAccount {accounts}, but it has no pod template with containers")


def test_an_object_that_aliases_make_huge_is_not_searched_completely() -> None:
    many: Any = {"a": 1}
    for _ in range(40):
        many = [many, many]
    assert classified(workload("x.io/v1", "Thing", spec=many)).why == "it has more than 100000 members"


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
def test_a_member_of_a_wrong_type_is_an_error_with_its_path(document: dict[str, Any], problem: str) -> None:
    assert problem_of(document) == problem
