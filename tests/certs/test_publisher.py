"""The log tells whether we published a new caBundle or restored one that somebody else changed."""

import logging
from datetime import timedelta

import pytest

from certs.issue import issue_ca
from certs.publisher import Publisher
from certs.stores import InMemoryBundleStore
from tests.certs.replicas import SERVICE, START, configuration

CA = issue_ca(START, common_name="CA").certificate
NEXT_CA = issue_ca(START, common_name="next CA").certificate
PUT_RIGHT = "somebody else changed the caBundle; we restored it: 1 certificates"


async def test_the_log_distinguishes_a_new_bundle_from_a_restored_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bundles, now = InMemoryBundleStore(configuration()), START
    writer, reader = (Publisher(bundles, SERVICE, lambda: now) for _ in range(2))

    async def publish(publisher: Publisher, bundle: bytes) -> list[str]:
        caplog.clear()
        await publisher.publish(await publisher.look(), bundle)
        return [f"{record.levelname} {record.message}" for record in caplog.records]

    assert await publish(writer, CA) == ["INFO published the caBundle: 1 certificates"]
    assert await publish(reader, CA) == await publish(writer, CA) == []
    bundles.put(configuration())
    assert await publish(reader, CA) == [f"WARNING {PUT_RIGHT}"], "who did not write it knows it too"
    now += timedelta(minutes=1)
    bundles.put(configuration())
    assert await publish(writer, CA) == [f"WARNING {PUT_RIGHT}"]
    now += timedelta(minutes=1)
    bundles.put(configuration())
    assert await publish(writer, CA) == [f"WARNING {PUT_RIGHT}; this keeps happening, so the next repair waits 4 s"]
    assert await publish(writer, CA + NEXT_CA) == ["INFO published the caBundle: 2 certificates"]
