"""What the API server does with a pod before it calls the webhook: it may refuse the pod, or call no entry for it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from webhook.admission.asking import Request, asking
from webhook.admission.identity import ServiceAccount
from webhook.admission.review import Review
from webhook.admission.review import parse as parse_review
from webhook.cluster.installation import Installation
from webhook.cluster.namespaces import Namespace
from webhook.commands.replay.case import Case
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
        return case
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
    asked = asking(installation.entries, request)
    if asked.why_not:
        return replace(case, not_called=f"the API server would not ask: {asked.why_not}", doubts=doubts)
    return replace(case, not_called="", calls=asked.calls, doubts=doubts)


def _refused(case: Case, why: str) -> Case:
    return replace(case, not_called="", refused=f"{why}: the API server would refuse the pod")
