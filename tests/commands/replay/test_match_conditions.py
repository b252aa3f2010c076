"""matchConditions: evaluated as the API server does, and unknown rather than wrong if a review does not show enough."""

import json
import sys
from typing import Any

import pytest

from webhook.commands.replay.match_conditions import Conditions

POD = {
    "metadata": {"name": "a", "namespace": "shop", "labels": {"app": "web", "team/x": "1"}},
    "spec": {"serviceAccountName": "web", "hostNetwork": True, "containers": [{"name": "app", "image": "web:1"}]},
}
UNNAMED = {**POD, "metadata": {"labels": {}}, "spec": {"containers": [{"name": "app", "image": "web:1"}]}}
USER = {"username": "system:node:n", "groups": ["system:nodes"]}


def conditions(pod: Any = POD, **request: Any) -> Conditions:
    made_up = {"uid": "made-up", "operation": "CREATE", "namespace": "shop", "dryRun": True, "object": pod}
    return Conditions(json.dumps({"request": made_up | request}).encode())


OF_A_MANIFEST: dict[str, bool | None] = {
    "true": True,
    "object.metadata.labels['app'] == 'web'": True,
    "object.metadata.?labels[?'app'].orValue('') != 'web'": False,
    "!has(object.metadata.annotations) || !('batch' in object.metadata.annotations)": True,
    "object.spec.containers.exists(c, c.name == 'app')": True,
    "object.spec.serviceAccountName in ['web'] && object.metadata.name.startsWith('a')": True,
    "request.namespace == 'kube-system'": False,
    "request.operation == 'CREATE' && oldObject == null": True,
    "object.spec.containers.map(c, c.image).join(',') == 'web:1'": True,
    # An error: the API server refuses the pod, or does not ask, by the entry's failurePolicy.
    "object.metadata.annotations['batch'] == 'no'": None,
    "'no boolean'": None,
    # For these, the library raises an exception.
    "{'a': 1, 'a': 2}.size() == 1": None,
    "object.?metadata": None,
    # Only the API server knows these.
    "'system:nodes' in request.userInfo.groups": None,
    "has(request.userInfo)": None,
    "object.metadata.labels['app'] == 'web' || 'system:nodes' in request.userInfo.groups": True,
    "object.metadata.labels['app'] != 'web' && 'system:nodes' in request.userInfo.groups": False,
    "request.dryRun": None,
    "request.name == 'a'": None,
    "authorizer.group('').resource('pods').check('create').allowed()": None,
    # The API server or a controller fills these in before it asks.
    "has(object.spec.restartPolicy)": None,
    "has(object.metadata.ownerReferences)": None,
    "object.spec.containers.all(c, c.imagePullPolicy == 'Always')": None,
    "object.spec.containers.all(c, has(c.volumeMounts))": None,
}


@pytest.mark.parametrize("expression", OF_A_MANIFEST)
def test_of_a_pod_from_a_manifest_what_it_does_not_show_is_unknown(expression: str) -> None:
    assert conditions().value(expression) is OF_A_MANIFEST[expression]


@pytest.mark.parametrize("expression", ["object.metadata.name == ''", "!has(object.spec.serviceAccountName)"])
def test_what_a_manifest_leaves_to_the_cluster_is_unknown(expression: str) -> None:
    assert conditions(UNNAMED).value(expression) is None


OF_A_REVIEW: dict[str, bool | None] = {
    "'system:nodes' in request.userInfo.groups": True,
    "request.name == 'a' && request.dryRun == false": True,
    "!has(object.spec.restartPolicy)": True,
    "authorizer.group('').resource('pods').check('create').allowed()": None,
}


@pytest.mark.parametrize("expression", OF_A_REVIEW)
def test_a_recorded_review_shows_all_but_the_authorizer(expression: str) -> None:
    assert conditions(userInfo=USER, name="a", dryRun=False).value(expression) is OF_A_REVIEW[expression]


def test_a_number_that_cel_does_not_have_is_unknown() -> None:
    assert conditions({"metadata": {}, "spec": {"x": 10**30}}).value("object.spec.x > 1") is None


def test_without_the_library_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)

    assert conditions().value("true") is None
