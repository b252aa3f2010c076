"""The findings of an audit: pods with a verdict, by owner."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from webhook.cluster.pods import OwnerReference
from webhook.diagnosis.verdict import Verdict


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """What people would change: a Deployment rather than its ReplicaSet, or the pod itself if nothing controls it."""

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A pod, its owner, and what is wrong with it.

    `reference` refers to the owner. `controller` is the pod's direct controller; None if it has none.
    """

    owner: Owner
    reference: OwnerReference
    controller: OwnerReference | None
    pod: str
    uid: str
    created_at: str
    verdict: Verdict

    @property
    def namespace(self) -> str:
        """The namespace of the pod."""
        return self.owner.namespace

    def age(self, now: datetime) -> int:
        """Returns the pod's age in seconds."""
        return max(0, int((now - datetime.fromisoformat(self.created_at)).total_seconds()))

    def as_json(self, now: datetime) -> dict[str, Any]:
        """Returns the finding for programs."""
        verdict = self.verdict
        return {
            "namespace": self.namespace,
            "owner": {"kind": self.owner.kind, "name": self.owner.name},
            "pod": self.pod,
            "uid": self.uid,
            "ageSeconds": self.age(now),
            "finding": verdict.kind,
            "reason": verdict.reason,
            "why": verdict.why,
            "role": verdict.role,
            "differences": [
                {"container": each.container, "what": each.what, "has": each.has, "wouldHave": each.would_have}
                for each in verdict.differences
            ],
            "newPodWouldBeRight": verdict.heals,
            "doubts": list(verdict.doubts),
        }


def by_owner(findings: Iterable[Finding]) -> Iterator[tuple[Owner, list[Finding]]]:
    """Yields each owner with its findings, in the order of namespaces and names; the oldest pods first."""
    ordered = sorted(findings, key=lambda each: (each.owner, each.created_at, each.pod))
    for owner, found in groupby(ordered, key=lambda each: each.owner):
        yield owner, list(found)


def age_text(seconds: int) -> str:
    """Returns an age in its largest unit, as kubectl does: `3d`."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
