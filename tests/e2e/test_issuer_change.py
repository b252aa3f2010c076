"""Another issuer on a cluster whose pods have tokens of the old one, as docs/self-managed.md describes it."""

from collections.abc import Iterator

import jwt
import pytest

from tests.docs.self_managed import FLAGS, ISSUER, ISSUER_CHANGE, blocks, flags
from tests.e2e.cluster import ISSUER as OLD
from tests.e2e.cluster import Cluster
from tests.e2e.guide_walk import set_flags
from tests.e2e.test_self_managed import is_accepted, token_of
from tests.features import Feature


@pytest.fixture
def cluster_of_old(own_cluster: Cluster) -> Iterator[Cluster]:
    """A cluster with the old issuer; it has the same flags again afterwards."""
    command = own_cluster.api_server.command
    yield own_cluster
    own_cluster.api_server.command = command
    own_cluster.restart_api_server()


def restart_with(cluster: Cluster, given: list[str]) -> None:
    set_flags(cluster, [flag for flag in given if "-key-file" not in flag])
    cluster.restart_api_server()


def issuer_of(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["iss"])


@pytest.mark.needs(Feature.MANY_ISSUERS)
def test_with_both_issuers_in_the_order_of_the_page_no_token_fails(cluster_of_old: Cluster) -> None:
    before = token_of(cluster_of_old, "before")
    assert (issuer_of(before), len(blocks(ISSUER_CHANGE, "text"))) == (OLD, 2)

    restart_with(cluster_of_old, flags(ISSUER_CHANGE, 0, ""))
    during = token_of(cluster_of_old, "during")
    restart_with(cluster_of_old, flags(ISSUER_CHANGE, 1, ""))
    after = token_of(cluster_of_old, "after")

    assert [issuer_of(token) for token in (during, after)] == [OLD, ISSUER]
    assert [is_accepted(cluster_of_old, token) for token in (before, during, after)] == [True] * 3
    # Other API servers may still have the first flags: they must accept the new tokens.
    restart_with(cluster_of_old, flags(ISSUER_CHANGE, 0, ""))
    assert is_accepted(cluster_of_old, after)


def test_replacing_the_issuer_breaks_the_tokens_that_pods_have(cluster_of_old: Cluster) -> None:
    before = token_of(cluster_of_old, "before")
    assert is_accepted(cluster_of_old, before)

    restart_with(cluster_of_old, flags(FLAGS, 0, ""))

    assert not is_accepted(cluster_of_old, before)
