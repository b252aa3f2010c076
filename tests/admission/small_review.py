"""An AdmissionReview with only the members that a decision needs."""

from typing import Any


def small_review(pod: Any, **request: Any) -> dict[str, Any]:
    members = {
        "uid": "1",
        "kind": {"kind": "Pod"},
        "namespace": "shop",
        "operation": "CREATE",
        "object": pod,
        **request,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": members}
