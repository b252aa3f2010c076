"""`doctor` at an API server whose objects have members of wrong types: no traceback, whatever it answers."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cluster.api_server import Answer, ApiServer, Request, client_of
from tests.commands.outcome import Outcome, run
from tests.commands.replay.installed import CONFIGURATION, DEPLOYMENTS, REPLICA_SETS, SERVICE, installed
from tests.commands.replay.live import api_server, kubeconfig
from webhook.commands.doctor.gathering.metrics import requests
from webhook.commands.doctor.gathering.reader import Reader

_CONFIGURATIONS: Final = CONFIGURATION.rpartition("/")[0]
_PODS: Final = "/api/v1/namespaces/eks/pods"
_SLICES: Final = "/apis/discovery.k8s.io/v1/namespaces/eks/endpointslices"
_SHOP: Final = "/api/v1/namespaces/shop"
_POD: Final = f"{_SHOP}/pods/one"
_ACCOUNT: Final = f"{_SHOP}/serviceaccounts/web"
_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def _objects() -> dict[str, Any]:
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/reader"}
    containers = [{"name": "app", "env": [{"name": "A", "value": "b"}], "ports": [{"name": "https"}]}]
    pod = {
        "metadata": {"namespace": "shop", "name": "one", "annotations": {"a": "b"}, "labels": {"app": "one"}},
        "spec": {"serviceAccountName": "web", "containers": containers, "volumes": [{"name": "v"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    objects = installed()
    return {
        **objects,
        _CONFIGURATIONS: {"items": [{"metadata": {"name": "other"}, **objects[CONFIGURATION]}]},
        REPLICA_SETS: {"items": [{"metadata": {"name": "webhook-1"}}]},
        _PODS: {"items": [{**pod, "metadata": {"namespace": "eks", "name": "webhook-1-a"}}]},
        _SLICES: {"items": [{"metadata": {"name": "x"}, "endpoints": [{"conditions": {"ready": True}}]}]},
        _ACCOUNT: {"metadata": {"namespace": "shop", "name": "web", "annotations": annotations}},
        "/api/v1/serviceaccounts": {"items": []},
        f"{_SHOP}/pods": pod,
        _POD: pod,
        _REVIEWS: {"status": {"allowed": True}},
    }


def _put(objects: Mapping[str, Any], place: tuple[Any, ...], odd: object) -> dict[str, Any]:
    changed: Any = deepcopy(dict(objects))
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = odd
    return dict(changed)


@contextlib.contextmanager
def _cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objects: dict[str, Any]) -> Iterator[None]:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with api_server(objects) as server:
        monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", production=server.url))
        yield


@pytest.mark.parametrize(
    ("place", "odd"),
    [
        pytest.param((_POD, "metadata"), {}, id="no name"),
        pytest.param((_POD, "spec", "volumes", 0, "name"), None, id="volume"),
        pytest.param((_POD, "spec", "containers"), {"a": 1}, id="containers"),
        pytest.param((_POD, "status"), 1, id="status"),
        pytest.param((_CONFIGURATIONS, "items", 0, "metadata"), 1, id="configuration"),
        pytest.param((CONFIGURATION, "webhooks", 0, "timeoutSeconds"), "x", id="timeout"),
        pytest.param((CONFIGURATION, "webhooks", 0, "rules"), [1], id="rules"),
        pytest.param((f"{_SHOP}/pods", "metadata"), [[]], id="dry run"),
        pytest.param((_SLICES, "items", 0, "endpoints", 0, "conditions"), 10**30, id="endpoint"),
        pytest.param((_PODS, "items", 0, "status"), 1, id="replica"),
        pytest.param((_PODS, "items"), {"a": 1}, id="items"),
        pytest.param((_ACCOUNT, "metadata", "annotations"), [1], id="annotations"),
        pytest.param((REPLICA_SETS, "items", 0, "metadata", "name"), {}, id="ReplicaSet"),
        pytest.param((DEPLOYMENTS, "items", 0, "metadata"), "x", id="Deployment"),
        pytest.param((SERVICE, "spec", "selector"), [1], id="selector"),
    ],
)
def test_a_member_of_a_wrong_type_is_no_traceback(
    place: tuple[Any, ...], odd: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _cluster(tmp_path, monkeypatch, _put(_objects(), place, odd)):
        outcome: Outcome = run("doctor", "pod", "shop/one", "--color=never")

    assert outcome.code in (0, 1)
    assert outcome.err.count("\n") <= 1
    assert "Nothing could be seen" not in outcome.out
    assert outcome.out or outcome.err.startswith("pod-identity-webhook doctor: get ")


def test_a_review_without_an_answer_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _cluster(tmp_path, monkeypatch, _put(_objects(), (_REVIEWS, "status"), [])):
        outcome = run("doctor", "--color=never")

    assert outcome.code == 1
    assert "subjectaccessreviews: Expected `object`, got `array`" in " ".join(outcome.out.split())


async def test_metrics_without_an_end_are_read_in_part() -> None:
    async def endless(request: Request, answer: Answer) -> None:
        if request.path != "/metrics":
            await answer.json(404, {})
            return
        await answer.watch()
        while True:
            await answer.raw(b"x 1\n" * 10_000)

    async with ApiServer(every=endless).running() as server, client_of(server) as client:
        host, port = server.url.removeprefix("http://").split(":")
        ports = [{"name": "metrics", "containerPort": int(port)}]
        pod = {
            "metadata": {"namespace": "eks", "name": "one"},
            "spec": {"containers": [{"name": "webhook", "ports": ports}]},
            "status": {"podIP": host},
        }
        async with asyncio.timeout(20):
            assert await requests(Reader(client), [pod]) is None
