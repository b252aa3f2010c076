"""What a manifest means to admission: a review, a Pod, or a workload whose Pods its controller will create."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from webhook.cluster.documents import Document

# Where a workload's pod template is, by API group and kind.
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
_ROLES: Final[dict[tuple[str, str], Literal["review", "service_account", "config_map"]]] = {
    ("admission.k8s.io", "AdmissionReview"): "review",
    ("", "ServiceAccount"): "service_account",
    ("", "ConfigMap"): "config_map",
}
# What controllers take over from a template's metadata; they ignore its name and namespace.
_TEMPLATE_METADATA: Final = ("labels", "annotations", "finalizers")


@dataclass(frozen=True, slots=True)
class Classified:
    """What a document is to admission. `label` names it for a person: `Deployment shop/web`.

    `pod` is, for the role `pod`, the Pod as the API server will see it created, its namespace filled in.
    """

    role: Literal["review", "pod", "service_account", "config_map", "other"]
    label: str
    pod: dict[str, Any] | None = None


def pods_of(document: Document, default_namespace: str) -> Classified:
    """What `document` is to admission; objects that name no namespace are in `default_namespace`.

    Kinds that are not Kubernetes' own (Argo's Rollout, Knative's Service) count as workloads where they carry a pod
    template in the usual place. Raises ManifestError, naming the place, where the shape makes no sense.
    """
    if "kind" not in document.object and isinstance(document.object.get("request"), dict):
        return Classified("review", "AdmissionReview")
    group_kind = document.group_kind()
    role = _ROLES.get(group_kind)
    if role == "review":
        return Classified("review", "AdmissionReview")
    label = _label(document, group_kind[1], default_namespace)
    if role:
        return Classified(role, label)
    if group_kind == ("", "Pod"):
        return Classified("pod", label, _complete(document, default_namespace))
    path = _TEMPLATES.get(group_kind) or _foreign_template(document)
    return Classified("pod", label, _from_template(document, path, default_namespace)) if path else _other(document)


def _other(document: Document) -> Classified:
    """Its scope is not known, so that only a namespace that it names itself is shown."""
    return Classified("other", _label(document, document.group_kind()[1], ""))


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
    return {**document.object, "metadata": {**metadata, "namespace": namespace}}


def _foreign_template(document: Document) -> str | None:
    value: Any = document.object
    for name in ("spec", "template", "spec", "containers"):
        value = value.get(name) if isinstance(value, dict) else None
    return "spec.template" if isinstance(value, list) else None


def _from_template(document: Document, path: str, default_namespace: str) -> dict[str, Any]:
    """The Pod that the workload's controller creates: the template's labels, annotations and spec, its own name."""
    spec = document.member(f"{path}.spec", dict)
    if spec is None:
        raise document.error(f"{path}.spec: missing")
    template_metadata = document.member(f"{path}.metadata", dict) or {}
    metadata: dict[str, Any] = {
        **_generated_name(document),
        "namespace": document.member("metadata.namespace", str) or default_namespace,
        **{name: template_metadata[name] for name in _TEMPLATE_METADATA if template_metadata.get(name) is not None},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _generated_name(document: Document) -> dict[str, str]:
    name = document.member("metadata.name", str)
    if name and document.group_kind() == ("apps", "StatefulSet"):
        ordinals = document.member("spec.ordinals", dict) or {}
        return {"name": f"{name}-{ordinals.get('start') or 0}"}
    prefix = f"{name}-" if name else document.member("metadata.generateName", str)
    if not prefix:
        raise document.error("metadata.name: missing")
    return {"generateName": prefix}
