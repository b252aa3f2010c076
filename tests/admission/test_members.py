"""Each optional member of a pod absent, null, empty and filled: whole answers, for both credential methods."""

import base64
import json
from typing import Any, Final

import jsonpatch
import pytest

from webhook.admission.decision import answer, decide
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.review import parse
from webhook.admission.settings import Settings

ROLE_ARN: Final = "arn:aws:iam::111122223333:role/app"
WEB_IDENTITY: Final = {
    "mount": {
        "name": "aws-iam-token",
        "readOnly": True,
        "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount",
    },
    "env": [
        {"name": "AWS_ROLE_ARN", "value": ROLE_ARN},
        {
            "name": "AWS_WEB_IDENTITY_TOKEN_FILE",
            "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
        },
    ],
    "volume": {
        "name": "aws-iam-token",
        "projected": {
            "sources": [
                {"serviceAccountToken": {"audience": "sts.amazonaws.com", "expirationSeconds": 3600, "path": "token"}}
            ]
        },
    },
}
AGENT: Final = {
    "mount": {
        "name": "eks-pod-identity-token",
        "readOnly": True,
        "mountPath": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
    },
    "env": [
        {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"},
        {
            "name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            "value": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
        },
    ],
    "volume": {
        "name": "eks-pod-identity-token",
        "projected": {
            "sources": [
                {
                    "serviceAccountToken": {
                        "audience": "pods.eks.amazonaws.com",
                        "expirationSeconds": 3600,
                        "path": "eks-pod-identity-token",
                    }
                }
            ]
        },
    },
}
LABEL: Final = "eks.amazonaws.com/pod-identity"
ABSENT: Final = object()
STATES: Final = ("absent", "null", "empty", "filled")


def _set(parent: dict[str, Any], member: str, value: Any) -> None:
    if value is not ABSENT:
        parent[member] = value


def _state(state: str, empty: Any, filled: Any) -> Any:
    return {"absent": ABSENT, "null": None, "empty": empty, "filled": filled}[state]


def _pod(member: str, state: str) -> dict[str, Any]:
    """Returns a pod with `member` in `state` and no other optional member."""
    container: dict[str, Any] = {"name": "main"}
    metadata: dict[str, Any] = {"name": "web"}
    spec: dict[str, Any] = {"serviceAccountName": "app", "containers": [container]}
    members: dict[str, tuple[dict[str, Any], Any, Any]] = {
        "env": (container, [], [{"name": "LEVEL", "value": "debug"}]),
        "volumeMounts": (container, [], [{"name": "data", "mountPath": "/data"}]),
        "volumes": (spec, [], [{"name": "data", "emptyDir": {}}]),
        "initContainers": (spec, [], [{"name": "setup"}]),
        "annotations": (metadata, {}, {"example.com/a": "b"}),
        "labels": (metadata, {}, {"app": "web"}),
    }
    parent, empty, filled = members[member]
    _set(parent, member, _state(state, empty, filled))
    return {"metadata": metadata, "spec": spec}


def _list(path: str, *, is_list: bool, items: list[Any]) -> list[dict[str, Any]]:
    """Returns the operations that add `items` to a list, or create the list."""
    if is_list:
        return [{"op": "add", "path": f"{path}/-", "value": item} for item in items]
    return [{"op": "add", "path": path, "value": items}]


def _patch(parts: dict[str, Any], member: str, state: str, *, labelled: bool) -> list[dict[str, Any]]:
    there = {member} if state in {"empty", "filled"} else set()
    patch: list[dict[str, Any]] = []
    if member == "initContainers" and state == "filled":
        patch += _list("/spec/initContainers/0/volumeMounts", is_list=False, items=[parts["mount"]])
        patch += _list("/spec/initContainers/0/env", is_list=False, items=parts["env"])
    patch += _list("/spec/containers/0/volumeMounts", is_list="volumeMounts" in there, items=[parts["mount"]])
    patch += _list("/spec/containers/0/env", is_list="env" in there, items=parts["env"])
    patch += _list("/spec/volumes", is_list="volumes" in there, items=[parts["volume"]])
    if labelled and "labels" in there:
        patch.append({"op": "add", "path": "/metadata/labels/eks.amazonaws.com~1pod-identity", "value": "enabled"})
    elif labelled:
        patch.append({"op": "add", "path": "/metadata/labels", "value": {LABEL: "enabled"}})
    return patch


def _answered(pod: dict[str, Any], sources: Sources) -> dict[str, Any]:
    request = {"uid": "1", "kind": {"kind": "Pod"}, "namespace": "shop", "operation": "CREATE", "object": pod}
    review = parse(json.dumps({"request": request}).encode())
    account = ServiceAccount("shop", "app", {"role-arn": ROLE_ARN, "token-expiration": "3600"})
    document: dict[str, Any] = json.loads(answer(review, decide(review, account, sources, Settings())))
    patch = document["response"].get("patch")
    if patch is not None:
        document["response"]["patch"] = json.loads(base64.b64decode(patch, validate=True))
    return document


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("member", ["env", "volumeMounts", "volumes", "initContainers", "annotations", "labels"])
@pytest.mark.parametrize("method", ["web identity", "container credentials"])
def test_a_member_may_be_absent_or_null_or_empty_or_filled(method: str, member: str, state: str) -> None:
    agent = method == "container credentials"
    sources = Sources(container_credentials=frozenset({("shop", "app")})) if agent else Sources()
    pod = _pod(member, state)
    audit = {"service-account": "shop/app", "decision": "injected"} | ({} if agent else {"role-arn": ROLE_ARN})
    expected = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": "1",
            "allowed": True,
            "patch": _patch(AGENT if agent else WEB_IDENTITY, member, state, labelled=agent),
            "patchType": "JSONPatch",
            "auditAnnotations": audit,
        },
    }
    assert _answered(pod, sources) == expected
    patched = jsonpatch.apply_patch(pod, expected["response"]["patch"])  # type: ignore[index]
    again = _answered(patched, sources)
    assert again["response"] == {"uid": "1", "allowed": True, "auditAnnotations": audit}
