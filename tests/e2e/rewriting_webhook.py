"""A webhook of somebody else that comes after ours and replaces the containers: what ours added is gone."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Final

from tests.e2e.api import Object
from tests.e2e.cluster import Cluster
from tests.e2e.go_webhook import GoSettings, GoWebhook
from tests.e2e.webhook_process import CONFIGURATIONS

NAME: Final = "rewriter"


class RewritingWebhook(GoWebhook):
    """Registered and answering from construction to `remove`; it also answers after another webhook adds to a pod."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self._cluster = cluster
        self._namespace = cluster.namespace("rewriter")
        super().__init__(NAME, self._namespace, directory, GoSettings({}))
        service = {"metadata": {"name": NAME}, "spec": {"ports": [{"port": 443}]}}
        created = cluster.admin.create(f"/api/v1/namespaces/{self._namespace}/services", service)
        self.serve(created["spec"]["clusterIP"])
        entry = {
            "name": "rewriter.example.test",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "reinvocationPolicy": "IfNeeded",
            "failurePolicy": "Fail",
            "clientConfig": {
                "service": {"name": NAME, "namespace": self._namespace},
                "caBundle": b64encode(self.ca).decode(),
            },
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        }
        cluster.admin.create(CONFIGURATIONS, {"metadata": {"name": NAME}, "webhooks": [entry]})

    def remove(self) -> None:
        self._cluster.admin.delete(f"{CONFIGURATIONS}/{NAME}")
        self.close()

    def answer(self, review: Object) -> Object:
        """Replaces the containers with ones of the same names and nothing else."""
        self.calls += 1
        request = review["request"]
        containers = [{"name": one["name"], "image": one["image"]} for one in request["object"]["spec"]["containers"]]
        patch = json.dumps([{"op": "replace", "path": "/spec/containers", "value": containers}]).encode()
        response = {
            "uid": request["uid"],
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": b64encode(patch).decode(),
        }
        return {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response}
