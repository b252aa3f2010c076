"""What the API server does with a pod before it calls the webhook: it may refuse the pod, or call no entry for it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from webhook.admission.asking import Request, asking
from webhook.admission.identity import ServiceAccount
from webhook.admission.review import Review
from webhook.admission.review import parse as parse_review
from webhook.cluster.installation import Installation
from webhook.cluster.namespaces import Namespace
from webhook.commands.replay.case import Case
from webhook.commands.replay.match_conditions import Conditions
from webhook.errors import ReviewError

# The cluster itself makes the ServiceAccount of this name in each namespace.
_DEFAULT: Final = "default"


def review_of(case: Case) -> Review | None:
    """Returns the review of a case if it is a valid one of a pod's creation, else None: its answer will say why."""
    try:
        review = parse_review(case.body)
    except ReviewError:
        return None
    return review if review.pod is not None else None


def as_the_api_server(
    case: Case,
    review: Review | None,
    installation: Installation,
    namespaces: Mapping[str, Namespace] | None,
    accounts: Mapping[tuple[str, str], ServiceAccount],
) -> Case:
    """Returns `case` with what the API server does with it: whether it refuses the pod, and which entries it calls.

    `review` is that of `review_of`. `namespaces` has all Namespaces, by name; None if they are unknown. If the entries
    of `installation` are unknown, only the label that skips the webhook counts, as without a cluster.
    """
    if review is None or review.pod is None:
        why_not = _why_no_rule(case, installation.entries or ())
        return replace(case, not_called=f"the API server would not ask: {why_not}") if why_not else case
    namespace = None
    if namespaces is not None:
        namespace = namespaces.get(review.namespace)
        if namespace is None or namespace.is_ending:
            problem = "not found" if namespace is None else "is being deleted"
            return _refused(case, f"Namespace {review.namespace} {problem}")
    doubts: tuple[str, ...] = ()
    if review.service_account and (review.namespace, review.service_account) not in accounts:
        name = f"ServiceAccount {review.namespace}/{review.service_account}"
        if review.service_account != _DEFAULT:
            return _refused(case, f"{name} not found")
        doubts = (f"{name} is not there yet: the cluster makes it by itself, without a role",)
    if installation.entries is None:
        return replace(case, doubts=doubts)
    labels = namespace.labels if namespace is not None else None
    request = Request(namespace=review.namespace, namespace_labels=labels, labels=review.pod.meta.labels or {})
    asked = asking(installation.entries, request, Conditions(case.body).value)
    if asked.why_not:
        return replace(case, not_called=f"the API server would not ask: {asked.why_not}", doubts=doubts)
    return replace(case, not_called="", calls=asked.calls, doubts=doubts)


class _Resource(msgspec.Struct):
    group: str = ""
    version: str = "v1"
    resource: str = ""


class _Reviewed(msgspec.Struct):
    resource: _Resource
    operation: str
    namespace: str = ""
    subResource: str = ""


class _Body(msgspec.Struct):
    request: _Reviewed


def _why_no_rule(case: Case, entries: Sequence[Mapping[str, Any]]) -> str:
    """Returns which rule is missing for a review that is not of a pod's creation; "" if one covers it.

    Selectors are left out: the review's object may be anything.
    """
    try:
        of = msgspec.json.decode(case.body, type=_Body).request
    except msgspec.MsgspecError:
        # The webhook's answer says what is wrong with it.
        return ""
    request = Request(
        namespace=of.namespace,
        namespace_labels=None,
        labels={},
        operation=of.operation,
        group=of.resource.group,
        version=of.resource.version,
        resource=of.resource.resource,
        subresource=of.subResource,
    )
    rules = [{"name": entry.get("name"), "rules": entry.get("rules")} for entry in entries]
    return asking(rules, request).why_not if rules else ""


def _refused(case: Case, why: str) -> Case:
    return replace(case, not_called="", refused=f"{why}: the API server would refuse the pod")
