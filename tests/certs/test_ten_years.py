from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta

import pytest

from certs.issue import issue_ca, issue_leaf
from certs.repair import MOST_PREVIOUS
from certs.state import ROTATE_CA_AFTER, ROTATE_LEAF_AFTER, format_time
from tests.certs.replicas import NAMES, START, Cluster

TEN_YEARS = timedelta(days=3653)
MINUTE = timedelta(minutes=1)


def deleted(cluster: Cluster) -> None:
    cluster.secrets.delete()


def emptied(cluster: Cluster) -> None:
    cluster.secrets.put({}, {})


def garbage(cluster: Cluster) -> None:
    data = stored(cluster)
    cluster.secrets.put({key: cluster.rng.randbytes(40) for key in data}, {ROTATE_CA_AFTER: "soon"})


def half_a_pair(cluster: Cluster) -> None:
    data = stored(cluster)
    for key in cluster.rng.sample(sorted(data), 3):
        data[key] = b""
    cluster.secrets.put(data, {})


def edited_by_hand(cluster: Cluster) -> None:
    data = stored(cluster)
    one, other = cluster.rng.sample(sorted(data), 2)
    data[one], data[other] = data[other], data[one]
    cluster.secrets.put(data, {})


def other_ca(cluster: Cluster) -> None:
    ca = issue_ca(cluster.now, common_name="other")
    cluster.secrets.put({**stored(cluster), "ca.crt": ca.certificate, "ca.key": ca.private_key}, {})


def other_ca_and_leaf(cluster: Cluster) -> None:
    ca = issue_ca(cluster.now, common_name="other")
    leaf = issue_leaf(ca, NAMES, cluster.now)
    data = {"ca.crt": ca.certificate, "ca.key": ca.private_key}
    cluster.secrets.put({**data, "tls.crt": leaf.certificate, "tls.key": leaf.private_key}, {})


def caBundle_replaced(cluster: Cluster) -> None:  # noqa: N802 - the field's own name
    configuration = cluster.bundles._configuration
    text = b64encode(issue_ca(cluster.now, common_name="foreign").certificate).decode()
    for entry in configuration["webhooks"]:
        entry["clientConfig"]["caBundle"] = text
    cluster.bundles.put(configuration)


def leaf_requested(cluster: Cluster) -> None:
    cluster.secrets.put(stored(cluster), {ROTATE_LEAF_AFTER: format_time(cluster.now)})


def ca_requested(cluster: Cluster) -> None:
    cluster.secrets.put(stored(cluster), {ROTATE_CA_AFTER: format_time(cluster.now)})


def stored(cluster: Cluster) -> dict[str, bytes]:
    secret = cluster.secrets._stored
    return dict(secret.data) if secret else {}


EVENTS: list[Callable[[Cluster], None]] = [
    deleted,
    emptied,
    garbage,
    half_a_pair,
    edited_by_hand,
    other_ca,
    other_ca_and_leaf,
    caBundle_replaced,
    leaf_requested,
    ca_requested,
]


@pytest.mark.parametrize(("replicas", "seed"), [(1, 1), (2, 2), (5, 3)])
async def test_for_ten_years_every_client_can_verify_every_served_leaf(replicas: int, seed: int) -> None:
    cluster = Cluster(replicas, seed)
    await cluster.settle_down()
    while cluster.now < START + TEN_YEARS:
        due = cluster.next_due()
        if cluster.rng.random() < 0.25:
            cluster.skip_to(cluster.now + (due - cluster.now) * cluster.rng.random())
            await cluster.advance(MINUTE)
            await disturb(cluster)
        else:
            cluster.skip_to(due - MINUTE)
            await cluster.advance(2 * MINUTE)
        await cluster.settle_down()
        assert len(cluster.served()) == 1
        assert cluster.served() == {cluster.replicas[0].state.leaf}
        assert all(one.in_sync for one in cluster.replicas)
    assert cluster.largest_bundle <= MOST_PREVIOUS + 2
    assert not sum(one.failures[what] for one in cluster.replicas for what in ("unexpected", "secret", "issue"))


async def disturb(cluster: Cluster) -> None:
    """Damages the Secret and restarts a replica: one after the other, or at once if another replica remembers."""
    for event in cluster.rng.sample(EVENTS, cluster.rng.choice((1, 1, 2))):
        event(cluster)
        if len(cluster.replicas) == 1:
            await cluster.advance(timedelta(seconds=1))
            await cluster.settle_down()
        for _ in range(3):
            if cluster.rng.random() < 0.5:
                cluster.restart(cluster.rng.randrange(len(cluster.replicas)))
            await cluster.advance(timedelta(seconds=cluster.rng.choice((20, 90, 200))))


@pytest.mark.parametrize("event", [ca_requested, other_ca, other_ca_and_leaf])
async def test_a_replica_may_restart_at_any_time_while_a_ca_takes_over(event: Callable[[Cluster], None]) -> None:
    for seconds in range(0, 420, 30):
        cluster = Cluster(2, seed=seconds)
        await cluster.settle_down()
        ca = cluster.replicas[0].state.ca
        event(cluster)
        await cluster.advance(timedelta(seconds=seconds))
        cluster.restart(seconds % 2)
        await cluster.settle_down()
        await cluster.settle_down()
        assert cluster.replicas[0].state.ca != ca
        assert cluster.served() == {cluster.replicas[0].state.leaf}
