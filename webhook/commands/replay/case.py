"""The cases to replay: the review that the API server would post for each review, Pod or workload of the input."""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from webhook.admission.asking import Call
from webhook.admission.golang import parse_bool
from webhook.admission.settings import Settings
from webhook.commands.replay.unnamed import with_names
from webhook.manifests.documents import Document
from webhook.manifests.workloads import PodOf, pods_of, role_of
from webhook.server.mutate_endpoint import PATH


@dataclass(frozen=True, slots=True)
class Subject:
    """What a case is about: an object of the input. `template` is the path of a pod template if there are several.

    `source` and `line` say where it is; empty and 0 if they must not matter.
    """

    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    template: str = ""
    source: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something in the input that cannot be replayed, and why: a workload, or a file in a folder (without a kind)."""

    title: str
    why: str
    subject: Subject

    @property
    def is_file(self) -> bool:
        """Whether it is a file that is no manifest, not a workload."""
        return self.subject.kind is None


@dataclass(frozen=True, slots=True)
class Case:
    """One review to replay.

    `label` names it (`Deployment shop/web`), `place` is its position in the input, `slug` is for file names. `pod` is
    the pod before the patch; None if the review is not about a Pod. `not_called` is the reason why the API server would
    not call the webhook; "" if it would. `subject` describes the object for programs. `instead` has what to print for
    names that we made up (see `with_names`). `calls` are those that the API server would make; `refused` is why it
    would refuse the pod before them, or ""; `doubts` are warnings about what it would do.
    """

    label: str
    place: str
    slug: str
    body: bytes
    pod: dict[str, Any] | None
    not_called: str = ""
    subject: Subject = field(default_factory=Subject)
    instead: dict[str, str] = field(default_factory=dict)
    calls: tuple[Call, ...] = (Call("", PATH),)
    refused: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The label, with the place if there is one."""
        return f"{self.label} ({self.place})" if self.place else self.label

    def placeless(self) -> "Case":
        """Returns the case without its place in the input."""
        return replace(self, place="", subject=replace(self.subject, source="", line=0))


def cases_of(documents: Iterable[Document], namespace: str, settings: Settings) -> tuple[list[Case], list[Skipped]]:
    """Returns the cases in `documents`, in order, and each workload whose pods cannot be derived.

    Ignores documents that are not reviews, pods or workloads. `namespace` applies to objects that have none. Raises
    ManifestError, which names the place.
    """
    cases: list[Case] = []
    skipped: list[Skipped] = []
    slugs: dict[str, int] = {}

    def add(
        document: Document, label: str, body: bytes, pod: dict[str, Any] | None, about: Subject, **more: Any
    ) -> None:
        slug = _unique(_slug(label), slugs)
        cases.append(Case(label, document.place, slug, body, pod, _not_called(pod, settings), about, **more))

    for document in documents:
        role = role_of(document)
        if role == "review":
            add(document, *_review(document))
        for found in pods_of(document, namespace) if role == "other" else ():
            if found.pod is None:
                title = f"{found.label} ({document.place})"
                skipped.append(Skipped(title, found.why, _subject(document, found, namespace)))
                continue
            named, instead = with_names(found.pod) if found.is_named_later else (found.pod, {})
            body = msgspec.json.encode(_admission_review(found.label, named))
            add(document, found.label, body, found.pod, _subject(document, found, namespace), instead=instead)
    return cases, skipped


def _subject(document: Document, found: PodOf, namespace: str) -> Subject:
    prefix = document.member("metadata.generateName", str)
    return Subject(
        document.member("kind", str),
        document.member("metadata.namespace", str) or namespace,
        document.member("metadata.name", str) or (f"{prefix}*" if prefix else None),
        found.template,
        document.source,
        document.line,
    )


def _review(document: Document) -> tuple[str, bytes, dict[str, Any] | None, Subject]:
    request = document.member("request", dict) or {}
    body = msgspec.json.encode(document.object)
    pod = request.get("object")
    label = f"AdmissionReview {request.get('uid', 'without uid')}"
    if not isinstance(pod, dict):
        return label, body, None, Subject("AdmissionReview", source=document.source, line=document.line)
    metadata = pod.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    name = named.get("name") or f"{named.get('generateName', '')}*"
    kind = request.get("kind")
    kind = (kind.get("kind") if isinstance(kind, dict) else None) or pod.get("kind", "Pod")
    namespace = request.get("namespace", "default")
    label = f"AdmissionReview of {kind} {namespace}/{name}"
    subject = Subject(_text(kind), _text(namespace), _text(name), source=document.source, line=document.line)
    return label, body, pod if kind == "Pod" else None, subject


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _admission_review(label: str, pod: dict[str, Any]) -> dict[str, Any]:
    """Returns the review of a pod's creation. Its uid derives from `label`, so that answers are reproducible."""
    request = {
        "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, label)),
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": pod["metadata"]["namespace"],
        "operation": "CREATE",
        "object": pod,
        "dryRun": True,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def _not_called(pod: dict[str, Any] | None, settings: Settings) -> str:
    label = settings.skip_label
    metadata = pod.get("metadata") if pod is not None else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    if isinstance(labels, dict) and label in labels:
        required = labels.get(settings.require_label)
        if required is not None and parse_bool(str(required)) is not False:
            # The chart has a separate entry for these, which ignores the skip label.
            return ""
        return f"the API server does not call the webhook for pods with the label {label}"
    return ""


def _slug(label: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", label.lower()).strip("-.")[:200] or "case"


def _unique(slug: str, taken: dict[str, int]) -> str:
    """Returns `slug`, with a number if it is already in `taken`, which holds the last number of each slug."""
    unique, number = slug, taken.get(slug, 1)
    while unique in taken:
        number += 1
        unique = f"{slug}-{number}"
    taken[slug] = number
    taken.setdefault(unique, 1)
    return unique
