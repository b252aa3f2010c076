"""Pods that must not run without their role: whose label requires it, and what such a pod would lack."""

from typing import Final, Literal, TypeAlias

from webhook.admission.golang import parse_bool
from webhook.admission.mutate import Mutation
from webhook.admission.pod import Pod
from webhook.admission.settings import Settings
from webhook.admission.warning import bounded, short

# A refusal names at most this many containers that lack credentials.
_NAMED: Final = 3

# Whose label says that a pod must not run without its role. "unclear": the pod's label is neither true nor false.
Requirement: TypeAlias = Literal["none", "pod", "namespace", "unclear"]


def requirement_of(pod: Pod, settings: Settings, namespace_requires: bool) -> Requirement:
    """Returns who requires that `pod` gets its credentials; a mirror of a static pod cannot get any."""
    # Hot path: for most pods, the first check is enough.
    metadata = pod.metadata
    labels = metadata.labels if metadata is not None else None
    value = labels.get(settings.require_label) if labels is not None else None
    if value is None and not namespace_requires:
        return "none"
    if pod.is_mirror:
        return "none"
    requires = parse_bool(value) if value is not None else False
    if requires is None:
        return "unclear"
    if requires:
        return "pod"
    return "namespace" if namespace_requires else "none"


def missing_credentials_reason(mutation: Mutation) -> str:
    """Returns why the pod would run without credentials, or an empty string if it has them."""
    if not mutation.considered:
        return "all its containers are skipped"
    if mutation.without_credentials:
        each = ", ".join(f"{short(name)} ({bounded([why])[0]})" for name, why in mutation.without_credentials[:_NAMED])
        return f"container {each}" + (", ..." if len(mutation.without_credentials) > _NAMED else "")
    return ""


def refusal(requirement: Requirement, reason: str, settings: Settings) -> str:
    """Returns the text of a refusal: who requires the credentials that the pod would lack, and why it would."""
    if requirement == "pod":
        return f"the pod is labelled {settings.require_label} but would lack its credentials: {reason}"
    return f"the namespace is labelled {settings.require_label} but the pod would lack its credentials: {reason}"
