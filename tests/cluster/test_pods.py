"""Lists of pods, of the ServiceAccounts with the time of their role, and of the workloads that own pods."""

from typing import Any

import pytest

from tests.cluster.api_server import Answer, ApiServer, Request, client_of, failure
from webhook.admission.settings import Settings
from webhook.cluster.api_errors import Expired
from webhook.cluster.dated_accounts import list_accounts
from webhook.cluster.pods import OwnerReference, pod_pages
from webhook.cluster.workloads import Workloads

_NAMES = [f"shop/p{number}" for number in range(6)]


def _pods(names: list[str], token: str = "", remaining: int | None = None) -> dict[str, Any]:
    items = []
    for full in names:
        namespace, name = full.split("/")
        items.append({"metadata": {"namespace": namespace, "name": name}, "spec": {"containers": []}})
    meta: dict[str, Any] = {"resourceVersion": "1", "continue": token}
    return {"metadata": meta | ({"remainingItemCount": remaining} if remaining is not None else {}), "items": items}


async def _listed(server: ApiServer) -> tuple[list[str], list[int]]:
    names, remaining = [], []
    async with server.running(), client_of(server) as client:
        async for page in pod_pages(client):
            names += [f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in page.pods]
            remaining.append(page.remaining)
    return names, remaining


async def test_each_page_says_how_many_pods_follow() -> None:
    async def answers(request: Request, answer: Answer) -> None:
        first = "continue" not in request.query
        await answer.json(200, _pods(_NAMES[:4], "4", 2) if first else _pods(_NAMES[4:]))

    assert await _listed(ApiServer(every=answers)) == (_NAMES, [2, 0])


async def test_a_list_whose_state_the_api_server_has_forgotten_begins_again_and_yields_no_pod_twice() -> None:
    tokens = []

    async def answers(request: Request, answer: Answer) -> None:
        tokens.append(request.query.get("continue", ""))
        if len(tokens) == 2:
            await answer.json(410, failure(410, "Expired", "the continue token is too old"))
        else:
            await answer.json(200, _pods(_NAMES[:4], "4") if not tokens[-1] else _pods(_NAMES[4:]))

    names, _ = await _listed(ApiServer(every=answers))
    assert (names, tokens) == (_NAMES, ["", "4", "", "4"])


async def test_a_list_that_makes_no_progress_ends_with_an_error() -> None:
    async def answers(_request: Request, answer: Answer) -> None:
        await answer.json(410, failure(410, "Expired", "too old"))

    with pytest.raises(Expired):
        await _listed(ApiServer(every=answers))


_KEY = "f:eks.amazonaws.com/role-arn"


def _wrote(time: str, *keys: str) -> dict[str, Any]:
    return {"time": time, "fieldsV1": {"f:metadata": {"f:annotations": {key: {} for key in keys}}}}


@pytest.mark.parametrize(
    ("managed", "expected"),
    [
        ([_wrote("2026-03-01T00:00:00Z", _KEY)], ("2026-03-01T00:00:00Z", True)),
        (
            [_wrote("2026-03-01T00:00:00Z", _KEY), _wrote("2026-04-01T00:00:00Z", "f:other")],
            ("2026-03-01T00:00:00Z", True),
        ),
        ([_wrote("2026-04-01T00:00:00Z", "f:other")], ("2026-02-01T00:00:00Z", False)),
        (None, ("2026-02-01T00:00:00Z", False)),
        ([{"time": "2026-03-01T00:00:00Z"}], ("2026-02-01T00:00:00Z", False)),
        ("nonsense", ("2026-02-01T00:00:00Z", False)),
    ],
)
async def test_the_time_of_a_role_is_that_of_the_writer_who_owns_the_annotation(
    managed: Any, expected: tuple[str, bool]
) -> None:
    def account(name: str, annotations: dict[str, str]) -> dict[str, Any]:
        metadata = {"namespace": "shop", "name": name, "annotations": annotations, "managedFields": managed}
        return {"metadata": {**metadata, "creationTimestamp": "2026-02-01T00:00:00Z"}}

    async def answers(_request: Request, answer: Answer) -> None:
        items = [account("web", {"eks.amazonaws.com/role-arn": "x"}), account("plain", {"other": "y"})]
        await answer.json(200, {"metadata": {"resourceVersion": "1"}, "items": items})

    server = ApiServer(every=answers)
    async with server.running(), client_of(server) as client:
        found = await list_accounts(client, Settings(), "shop")
    assert {key: (dated.changed_at, dated.is_recorded) for key, dated in found.items()} == {("shop", "web"): expected}


def _owner(kind: str = "ReplicaSet", group: str = "apps/v1", uid: str = "u1") -> OwnerReference:
    return OwnerReference(group, kind, "web", uid, True)


async def test_a_workload_is_read_once_with_its_template_replicas_and_owner() -> None:
    top = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u2", "controller": True}
    template: dict[str, Any] = {"spec": {"containers": []}}

    async def answers(_request: Request, answer: Answer) -> None:
        metadata = {"uid": "u1", "ownerReferences": [top]}
        await answer.json(200, {"metadata": metadata, "spec": {"replicas": 2, "template": template}})

    server = ApiServer(every=answers)
    async with server.running(), client_of(server) as client:
        workloads = Workloads(client)
        found = [await workloads.read("shop", _owner()) for _ in range(2)][1]
    assert found is not None
    assert (found.template, found.replicas) == (template, 2)
    assert found.controller is not None
    assert found.controller.kind == "Deployment"
    assert [request.path for request in server.requests] == ["/apis/apps/v1/namespaces/shop/replicasets/web"]


async def test_a_workload_of_the_same_name_but_another_uid_is_another() -> None:
    async def answers(_request: Request, answer: Answer) -> None:
        await answer.json(200, {"metadata": {"uid": "other"}, "spec": {}})

    server = ApiServer(every=answers)
    async with server.running(), client_of(server) as client:
        assert await Workloads(client).read("shop", _owner()) is None


async def test_workloads_of_foreign_kinds_are_not_read_and_refused_ones_are_a_problem_once() -> None:
    async def answers(_request: Request, answer: Answer) -> None:
        await answer.json(403, failure(403, "Forbidden", "no"))

    server = ApiServer(every=answers)
    async with server.running(), client_of(server) as client:
        workloads = Workloads(client)
        assert await workloads.read("shop", _owner("Rig", "example.com/v1")) is None
        assert [await workloads.read("shop", _owner(uid=uid)) for uid in ("u1", "u2")] == [None, None]
    assert len(server.requests) == 1
    (problem,) = workloads.problems.values()
    assert 'resources: ["replicasets"], verbs: ["get"] in a ClusterRole' in problem
