"""Which owner and template `doctor` finds for a pod, and what it then takes for the author's own."""

import json
from typing import Any, Final

import pytest

from tests.cluster.api_server import client_of
from tests.commands.manifests import pod, template, workload
from tests.commands.replay.live import api_server
from webhook.commands.doctor.gathering.pod import Subject, subject_of
from webhook.commands.doctor.gathering.reader import Reader
from webhook.commands.doctor.target import Kind, Target
from webhook.diagnosis.own_values import UNKNOWN, own_values

Object = dict[str, Any]

_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_ROLE: Final = "AWS_ROLE_ARN"
_APPS: Final = "/apis/apps/v1/namespaces/shop"
_DEPLOYMENT: Final = f"{_APPS}/deployments/web"
_REPLICA_SET: Final = f"{_APPS}/replicasets/web-1"
_JOB: Final = "/apis/batch/v1/namespaces/shop/jobs/once"


def _template(*names: str) -> Object:
    """Returns a pod template whose container sets these variables."""
    made = template(labels={"app": "web"})
    made["spec"]["containers"][0]["env"] = [{"name": name, "value": "mine"} for name in names]
    return made


def _owned_by(kind: str, name: str, **more: Any) -> Object:
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True, **more}]}


def _owner(made: Object | None, **metadata: Any) -> Object:
    owner = workload("ReplicaSet", "apps/v1", {"template": made})
    owner["metadata"].update(metadata)
    return owner


def _pod(**metadata: Any) -> Object:
    """Returns a pod as the webhook left it: with a role."""
    made = pod(**metadata)
    made["spec"] = _template(_ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE")["spec"]
    return made


async def _subject(objects: Object, kind: Kind = "pod", name: str = "app") -> Subject:
    with api_server(objects) as server:
        async with client_of(server) as client:
            return await subject_of(Reader(client), Target(kind, "shop", name), "shop")


_OF_SET: Final = _owned_by("ReplicaSet", "web-1")
_OF_DEPLOYMENT: Final = _owned_by("Deployment", "web")
_SET: Final = _owner(_template("AWS_REGION"), **_OF_DEPLOYMENT)

# The pod's metadata, the owners, the name of the one that can be restarted, and its template (None: not known).
OWNERS: dict[str, tuple[Object, Object, str, Object | None]] = {
    "a Deployment, whose ReplicaSet may be older than its template": (
        _OF_SET,
        {_REPLICA_SET: _SET, _DEPLOYMENT: _owner(_template())},
        "deployment/web",
        _template(),
    ),
    "a Deployment whose template sets the role itself": (
        _OF_SET,
        {_REPLICA_SET: _SET, _DEPLOYMENT: _owner(_template(_ROLE))},
        "deployment/web",
        _template(_ROLE),
    ),
    "a Job, which cannot be restarted": (
        _owned_by("Job", "once"),
        {_JOB: _owner(_template(_ROLE), **_owned_by("CronJob", "daily"))},
        "",
        _template(_ROLE),
    ),
    "a Deployment that is gone": (_OF_SET, {_REPLICA_SET: _SET}, "deployment/web", _template("AWS_REGION")),
    "a Deployment without a template": (
        _OF_SET,
        {_REPLICA_SET: _SET, _DEPLOYMENT: _owner(None)},
        "deployment/web",
        _template("AWS_REGION"),
    ),
    "a ReplicaSet that is gone": (_OF_SET, {_DEPLOYMENT: _owner(_template())}, "", None),
    "a DaemonSet that may not be read": (
        _owned_by("DaemonSet", "agent"),
        {f"{_APPS}/daemonsets/agent": 403},
        "daemonset/agent",
        None,
    ),
    "an owner that is no controller": (
        _owned_by("Deployment", "web", controller=False),
        {_DEPLOYMENT: _owner(_template())},
        "",
        None,
    ),
    "an owner that we do not know": (_owned_by("Node", "a"), {}, "", None),
    "an owner whose name Kubernetes does not allow": (_owned_by("Deployment", "../x"), {}, "", None),
}


# An owner does not write its own manifest into the pod, so such a record in it is somebody else's.
@pytest.mark.parametrize("annotations", [{}, {_APPLIED: json.dumps(_template(_ROLE))}], ids=["plain", "with a record"])
@pytest.mark.parametrize("name", OWNERS)
async def test_the_template_of_the_owner_says_what_is_the_authors(name: str, annotations: Object) -> None:
    metadata, owners, restarted, made = OWNERS[name]

    subject = await _subject({"/api/v1/namespaces/shop/pods/app": _pod(annotations=annotations, **metadata), **owners})

    assert subject.running is not None
    assert subject.running.owner == restarted
    assert subject.running.own == (UNKNOWN if made is None else own_values(made))
    assert (subject.template or {}).get("spec") == (None if made is None else made["spec"])


_NOTHING: dict[str, frozenset[str]] = {}
# What a pod without an owner has as its record, and which variables that says are the author's.
RECORDS: dict[str, tuple[str | None, dict[str, frozenset[str]]]] = {
    "none": (None, _NOTHING),
    "a manifest without variables of ours": (json.dumps(_template("PATH")), {"app": frozenset()}),
    "a manifest that sets the role itself": (json.dumps(_template(_ROLE)), {"app": frozenset({_ROLE})}),
    "that of a workload, with its template deeper": (json.dumps({"spec": {"template": _template(_ROLE)}}), _NOTHING),
    "text": ("no JSON", _NOTHING),
    "cut off": (json.dumps(_template(_ROLE))[:-1], _NOTHING),
    "a list": ("[]", _NOTHING),
    "nested too deeply": ('{"a":' * 5000 + "1" + "}" * 5000, _NOTHING),
    "members of wrong types": ('{"spec": {"containers": {"env": 7}, "initContainers": [7, null]}}', _NOTHING),
}


@pytest.mark.parametrize("name", RECORDS)
async def test_the_record_of_kubectl_apply_counts_for_a_pod_without_an_owner(name: str) -> None:
    record, variables = RECORDS[name]
    annotations = {} if record is None else {_APPLIED: record}

    subject = await _subject({"/api/v1/namespaces/shop/pods/app": _pod(annotations=annotations)})

    assert subject.running is not None
    assert (subject.running.owner, subject.template) == ("", None)
    assert dict(subject.running.own.variables) == variables


async def test_of_a_workload_without_a_pod_its_template_is_the_subject() -> None:
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": _template(_ROLE)}
    deployment = workload("Deployment", "apps/v1", spec)

    subject = await _subject(
        {_DEPLOYMENT: deployment, "/api/v1/namespaces/shop/pods": {"items": []}}, "deployment", "web"
    )

    assert subject.title == "Deployment shop/web, which has no pod, which runs as ServiceAccount web"
    assert subject.running is None
    assert subject.template is not None
    assert subject.template["spec"] == _template(_ROLE)["spec"]
