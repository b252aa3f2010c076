"""An AdmissionReview with each member that we read, and what parsing makes of one."""

import copy
import json
from typing import Any, Final

import pytest

from webhook.admission.review import Review, parse
from webhook.errors import ReviewError

POD: Final = {
    "kind": "Pod",
    "metadata": {
        "name": "web",
        "generateName": "web-",
        "namespace": "shop",
        "labels": {"a/b": "c"},
        "annotations": {"a.b/c": "d"},
    },
    "spec": {
        "serviceAccountName": "app",
        "serviceAccount": "app",
        "nodeSelector": {"disk": "ssd"},
        "os": {"name": "linux"},
        "containers": [{"name": "main"}, {"name": "proxy", "env": [{"name": "A"}, {"name": "B", "value": "c"}]}],
        "initContainers": [{"name": "setup", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        "volumes": [
            {
                "name": "token",
                "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "x"}}]},
            }
        ],
    },
}


def whole_review(pod: Any = POD) -> dict[str, Any]:
    request = {
        "uid": "1",
        "kind": {"group": "", "kind": "Pod"},
        "resource": {"group": "", "resource": "pods"},
        "subResource": "",
        "namespace": "shop",
        "operation": "CREATE",
        "dryRun": False,
        "object": copy.deepcopy(pod),
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def parsed(document: Any) -> Review:
    return parse(json.dumps(document).encode())


def error_of(body: bytes) -> str:
    with pytest.raises(ReviewError) as caught:
        parse(body)
    return str(caught.value)
