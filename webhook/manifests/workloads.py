"""Classifies manifests for admission, and derives the Pods that the controller of a workload will create."""

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from webhook.admission.annotations import MIRROR_ANNOTATION
from webhook.manifests.documents import Document

# The path of a workload's pod template, by API group and kind.
_TEMPLATES: Final = {
    ("", "PodTemplate"): "template",
    ("", "ReplicationController"): "spec.template",
    ("apps", "DaemonSet"): "spec.template",
    ("apps", "Deployment"): "spec.template",
    ("apps", "ReplicaSet"): "spec.template",
    ("apps", "StatefulSet"): "spec.template",
    ("batch", "CronJob"): "spec.jobTemplate.spec.template",
    ("batch", "Job"): "spec.template",
}
Role: TypeAlias = Literal["review", "service_account", "config_map", "other"]
_ROLES: Final[dict[tuple[str, str], Role]] = {
    ("admission.k8s.io", "AdmissionReview"): "review",
    ("", "ServiceAccount"): "service_account",
    ("", "ConfigMap"): "config_map",
}
# Kubernetes' own API groups, except `extensions`, which once had workloads.
_OWN_GROUPS: Final = frozenset(
    {
        *("", "apps", "autoscaling", "batch", "policy"),
        *("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "authentication.k8s.io"),
        *("authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io"),
        *("flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io"),
        *("rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io"),
        "storagemigration.k8s.io",
    }
)
# The members by which any workload may name the ServiceAccount of its pods.
_ACCOUNT_KEYS: Final = ("serviceAccountName", "serviceAccount")
# Maximum number of members to search in one object: with aliases, a few lines can have more than fit in memory.
_MOST_MEMBERS: Final = 100_000
# The metadata that controllers copy from a template; they ignore its name and namespace.
_TEMPLATE_METADATA: Final = ("labels", "annotations", "finalizers")


@dataclass(frozen=True, slots=True)
class PodOf:
    """A pod that results from a document. `label` names the object that creates it, for people: `Deployment shop/web`.

    `pod` is the Pod as its creator will send it to the API server, with its namespace and ServiceAccount filled in. It
    is None if we cannot derive it; `why` then has the reason. `template` is the path of its template, if the document
    has several. `is_named_later`: its controller is not one of Kubernetes' own, and may name its containers.
    """

    label: str
    pod: dict[str, Any] | None = None
    why: str = ""
    template: str = ""
    is_named_later: bool = False


def role_of(document: Document) -> Role:
    """Returns the role of `document` for admission. Raises ManifestError if it has no kind."""
    if "kind" not in document.object and isinstance(document.object.get("request"), dict):
        return "review"
    return _ROLES.get(document.group_kind(), "other")


def pods_of(document: Document, default_namespace: str) -> list[PodOf]:
    """Returns the pods that result from `document`, whose role must be `other`.

    `default_namespace` applies to objects that name no namespace. In kinds that are not Kubernetes' own (Argo's
    Rollout, KEDA's ScaledJob, JobSet), it finds pod templates at any depth. Such an object without a template is still
    a workload if it names a ServiceAccount. Raises ManifestError, which names the place, if a member has a wrong type.
    """
    group, kind = document.group_kind()
    label = _label(document, kind, default_namespace)
    if (group, kind) == ("", "Pod"):
        return [PodOf(label, _complete(document, default_namespace))]
    path = _TEMPLATES.get((group, kind))
    if path is not None:
        template = document.member(path, dict) or {}
        document.member(f"{path}.metadata", dict)
        if document.member(f"{path}.spec", dict) is None:
            raise document.error(f"{path}.spec: missing")
        return [PodOf(label, _from_template(document, template, default_namespace))]
    return [] if _has_no_workloads(group) else _of_foreign(document, label, default_namespace)


def _has_no_workloads(group: str) -> bool:
    """Whether only `_TEMPLATES` has the workloads of a group: Kubernetes' own groups, and policies about pods."""
    return group in _OWN_GROUPS or group.endswith(("kyverno.io", "gatekeeper.sh"))


def _of_foreign(document: Document, label: str, default_namespace: str) -> list[PodOf]:
    templates: list[tuple[str, dict[str, Any]]] = []
    accounts: dict[str, None] = {}
    waiting: list[tuple[str, Any]] = [(name, value) for name, value in reversed(document.object.items())]
    for _ in range(_MOST_MEMBERS):
        if not waiting:
            break
        path, value = waiting.pop()
        if isinstance(value, list):
            waiting += [(f"{path}[{index}]", item) for index, item in reversed(list(enumerate(value)))]
        elif isinstance(value, dict):
            if path != "metadata" and _is_pod_template(value):
                templates.append((path, value))
                continue
            accounts |= {value[key]: None for key in _ACCOUNT_KEYS if isinstance(value.get(key), str) and value[key]}
            waiting += [(f"{path}.{name}", item) for name, item in reversed(value.items())]
    else:
        return [PodOf(label, why=f"it has more than {_MOST_MEMBERS} members")]
    if not templates and accounts:
        names = ", ".join(list(accounts)[:3])
        why = f"its pods run as ServiceAccount {names}, but it has no pod template with containers"
        return [PodOf(label, why=why)]
    several = len(templates) > 1
    return [
        PodOf(
            f"{label}, {path}" if several else label,
            _from_template(document, template, default_namespace),
            template=path if several else "",
            is_named_later=True,
        )
        for path, template in templates
    ]


def _is_pod_template(value: dict[str, Any]) -> bool:
    spec = value.get("spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    return isinstance(containers, list) and bool(containers) and all(isinstance(one, dict) for one in containers)


def _label(document: Document, kind: str, default_namespace: str) -> str:
    namespace = document.member("metadata.namespace", str) or default_namespace
    name = document.member("metadata.name", str)
    if not name:
        prefix = document.member("metadata.generateName", str)
        name = f"{prefix}*" if prefix else "without a name"
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def _complete(document: Document, default_namespace: str) -> dict[str, Any]:
    metadata = document.member("metadata", dict) or {}
    namespace = document.member("metadata.namespace", str) or default_namespace
    made = {**document.object, "metadata": {**metadata, "namespace": namespace}}
    annotations = metadata.get("annotations")
    is_mirror = isinstance(annotations, dict) and MIRROR_ANNOTATION in annotations
    return made if is_mirror else {**made, "spec": _with_account(document.object.get("spec"))}


def _with_account(spec: Any) -> Any:
    """Returns a pod's spec as the API server's ServiceAccount plugin changes it."""
    if not isinstance(spec, dict) or spec.get("serviceAccountName") or spec.get("serviceAccount"):
        return spec
    return {**spec, "serviceAccountName": "default"}


def _from_template(document: Document, template: dict[str, Any], default_namespace: str) -> dict[str, Any]:
    """Returns the Pod that the workload's controller creates: its metadata and spec from the template, its own name."""
    template_metadata = template.get("metadata")
    taken = template_metadata if isinstance(template_metadata, dict) else {}
    metadata: dict[str, Any] = {
        **_generated_name(document),
        "namespace": document.member("metadata.namespace", str) or default_namespace,
        **{name: taken[name] for name in _TEMPLATE_METADATA if taken.get(name) is not None},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _with_account(template["spec"])}


def _generated_name(document: Document) -> dict[str, str]:
    name = document.member("metadata.name", str)
    if name and document.group_kind() == ("apps", "StatefulSet"):
        ordinals = document.member("spec.ordinals", dict) or {}
        return {"name": f"{name}-{ordinals.get('start') or 0}"}
    prefix = f"{name}-" if name else document.member("metadata.generateName", str)
    if not prefix:
        raise document.error("metadata.name: missing")
    return {"generateName": prefix}
