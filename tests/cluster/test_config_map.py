import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.cluster.api_server import Answer, ApiServer, Request, client_of, event, fails, hang, lists, until, watches
from webhook.cluster.config_map import MappingConfigMap
from webhook.cluster.watch import Pace

ROLE = "arn:aws:iam::123456789012:role/app"


def config_map(document: object, version: str = "10") -> dict[str, Any]:
    text = document if isinstance(document, str) else json.dumps(document)
    return {
        "metadata": {"name": "pod-identity-webhook", "namespace": "eks", "resourceVersion": version},
        "data": {"config": text, "other": "x"},
    }


def mapped(**roles: str) -> dict[str, Any]:
    return {f"apps/{name}": {"RoleARN": role} for name, role in roles.items()}


@asynccontextmanager
async def following(server: ApiServer) -> AsyncIterator[MappingConfigMap]:
    async with (
        server.running(),
        client_of(server) as client,
        MappingConfigMap(client, "eks", "pod-identity-webhook", Pace(first_delay=0.001, max_delay=0.002)) as config,
    ):
        yield config


async def test_asks_for_the_one_config_map_by_its_name() -> None:
    server = ApiServer([lists(config_map(mapped(a=ROLE)))])
    async with following(server) as config:
        await server.wait_for_requests(2)
        assert config.is_synced
        assert config.mapping.exact["apps/a"].role_arn == ROLE
    for request in server.requests:
        assert request.path == "/api/v1/namespaces/eks/configmaps"
        assert request.query["fieldSelector"] == "metadata.name=pod-identity-webhook"
        assert request.headers["accept"] == "application/json"


async def test_without_a_config_map_there_are_no_mappings_and_the_watch_is_synced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = ApiServer([lists()])
    async with following(server) as config:
        await until(lambda: config.is_synced)
        assert len(config.mapping) == 0
    missing = "ConfigMap eks/pod-identity-webhook: it does not exist: no role mappings until it is created"
    assert missing in caplog.messages


async def test_follows_changes_keeps_the_last_good_document_and_forgets_a_deleted_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    changes: asyncio.Queue[object] = asyncio.Queue()

    async def follow(_request: Request, answer: Answer) -> None:
        while True:
            await answer.events(await changes.get())

    server = ApiServer([lists(config_map(mapped(a=ROLE))), watches(then=follow)])
    async with following(server) as config:
        await until(lambda: config.is_synced)
        changes.put_nowait(event("MODIFIED", config_map({**mapped(b=ROLE), "bad": {}}, "11")))
        await until(lambda: config.mapping.find("apps", "b"))
        assert config.mapping.find("apps", "a") is None
        assert config.bad_entries == 1
        assert "entry 'bad' skipped: " in caplog.text

        changes.put_nowait(event("MODIFIED", config_map("{ no json", "12")))
        await until(lambda: config.bad_documents)
        assert config.mapping.find("apps", "b") is not None
        assert "ConfigMap eks/pod-identity-webhook: data.config: not a JSON object of mappings" in caplog.text

        changes.put_nowait(event("DELETED", config_map("{ no json", "13")))
        await until(lambda: not len(config.mapping))
        assert (config.bad_entries, config.bad_documents) == (0, 1)

        changes.put_nowait(event("ADDED", config_map(mapped(c=ROLE), "14")))
        await until(lambda: config.mapping.find("apps", "c"))


async def test_a_document_is_parsed_once_however_often_it_is_listed() -> None:
    bad = config_map("[]")
    server = ApiServer([lists(bad), fails(410, "Expired"), lists(bad)])
    async with following(server) as config:
        await server.wait_for_requests(4)
        assert (config.bad_documents, len(config.mapping)) == (1, 0)


async def test_the_next_list_notices_a_deletion_that_the_watch_missed() -> None:
    server = ApiServer([lists(config_map(mapped(a=ROLE))), fails(410, "Expired"), lists(), hang])
    async with following(server) as config:
        await server.wait_for_requests(4)
        assert len(config.mapping) == 0


async def test_says_which_rule_is_missing_and_continues_when_it_is_granted(caplog: pytest.LogCaptureFixture) -> None:
    server = ApiServer([fails(403, "Forbidden"), lists(config_map(mapped(a=ROLE))), fails(403, "Forbidden")])
    async with following(server) as config:
        await server.wait_for_requests(4)
        assert config.watch.restarts["denied"] == 2
        assert config.mapping.find("apps", "a") is not None
    rule = 'verbs: ["{}"], resourceNames: ["pod-identity-webhook"] in a Role in namespace eks'
    assert rule.format("list") in caplog.text
    assert rule.format("watch") in caplog.text
