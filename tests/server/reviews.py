"""Reviews that tests send, and checks of the answers."""

import base64
import copy
import json
from typing import Any

import httpx

JSON = {"content-type": "application/json"}
ROLE = "arn:aws:iam::111122223333:role/builder"

_REVIEW: dict[str, Any] = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "the-uid",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "ci",
        "operation": "CREATE",
        "dryRun": False,
        "object": {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "build", "generateName": "b-", "namespace": "ci", "labels": {"l": "v"}},
            "spec": {
                "serviceAccountName": "builder",
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "os": {"name": "linux"},
                "containers": [
                    {
                        "name": "main",
                        "env": [{"name": "A", "value": "b"}],
                        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                    }
                ],
                "initContainers": [{"name": "init"}],
                "volumes": [
                    {
                        "name": "data",
                        "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "a"}}]},
                    }
                ],
            },
        },
    },
}


def review() -> dict[str, Any]:
    """Returns a review of a pod whose containers get a role."""
    return copy.deepcopy(_REVIEW)


def review_of(account: str, **metadata: Any) -> dict[str, Any]:
    """Returns the same review for another ServiceAccount, with more metadata."""
    changed = review()
    changed["request"]["object"]["spec"]["serviceAccountName"] = account
    changed["request"]["object"]["metadata"].update(metadata)
    return changed


Path = tuple[str | int, ...]


def put(value: Any, path: Path, new: Any) -> None:
    """Replaces the member at `path`."""
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


def paths(value: Any, parent: Path = ()) -> list[Path]:
    """Returns the path of every member."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[Path] = []
    for key, member in members:
        found += [(*parent, key), *paths(member, (*parent, key))]
    return found


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


GOOD = encoded(review())


def role_of(answer: httpx.Response) -> str | None:
    """Returns the role that the patch gives to the container `main`; None if there is no patch."""
    assert answer.status_code == 200, (answer.status_code, answer.text)
    response = answer.json()["response"]
    assert response["allowed"] is True, response
    if "patch" not in response:
        return None
    variables = {
        variable["name"]: variable.get("value")
        for operation in json.loads(base64.b64decode(response["patch"]))
        for variable in (operation["value"] if isinstance(operation["value"], list) else [operation["value"]])
        if operation["path"].startswith("/spec/containers/0/env") and "name" in variable
    }
    return variables.get("AWS_ROLE_ARN")


def assert_answers_a_good_review(client: httpx.Client) -> None:
    answer = client.post("/mutate", content=GOOD, headers=JSON)
    assert answer.json()["response"]["uid"] == "the-uid"
    assert role_of(answer) == ROLE
