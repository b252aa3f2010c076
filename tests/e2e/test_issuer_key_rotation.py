"""The key that signs tokens is rotated in the order that `issuer merge` prints, and in wrong ones."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.aws.programs import AwsPrograms
from tests.e2e.cluster import Cluster
from tests.e2e.issuer_rotation import CACHED_FOR, Rotation
from tests.e2e.issuing_cluster import ISSUER
from tests.e2e.objects import ROLE
from tests.sts.requests import NO_KEY

GRACE = timedelta(minutes=5)


@pytest.fixture(scope="module")
def issuing_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    own = Cluster(tmp_path_factory.mktemp("issuing-cluster"), issuer=ISSUER)
    try:
        own.start()
        yield own
    finally:
        own.remove()


@pytest.fixture
def rotation(issuing_cluster: Cluster, tmp_path: Path) -> Iterator[Rotation]:
    """A rotation that has not begun, with a token that both STS accept."""
    if issuing_cluster.more_flags:
        issuing_cluster.restart_api_server()
    own = Rotation(issuing_cluster, tmp_path)
    own.sign()
    assert own.refusals() == []
    yield own
    own.close()


@pytest.mark.any_version
def test_in_the_order_that_merge_prints_no_valid_token_fails(rotation: Rotation) -> None:
    report = rotation.publish_merged()
    order = re.findall(r"^  \d\. (\S+)", report, re.MULTILINE)
    assert order == ["Publish", "Wait", "Give", "Switch", "Wait", "Drop"], report
    assert rotation.refusals() == []

    rotation.clock.advance(CACHED_FOR)
    rotation.sign()
    assert rotation.refusals() == []

    rotation.cluster.restart_api_server(rotation.new.verifies)
    rotation.sign()
    assert rotation.refusals() == []

    rotation.cluster.restart_api_server(rotation.new.verifies, rotation.new.signs)
    rotation.sign()
    assert rotation.refusals() == []

    # The pods renew their tokens meanwhile, and the last token of the old key grows old.
    for hours in (1, 12, 10):
        rotation.clock.advance(timedelta(hours=hours))
        rotation.sign()
        assert rotation.refusals() == []
    until = re.search(r"from when: (\d+)h(\d+)m after", report)
    assert until is not None, report
    rotation.clock.advance(timedelta(hours=int(until[1]) - 23, minutes=int(until[2])))
    rotation.sign()
    assert rotation.refusals() == []

    rotation.drop_old()
    rotation.sign()
    assert rotation.refusals() == []
    rotation.clock.advance(CACHED_FOR)
    rotation.sign()
    assert rotation.refusals() == []
    # The last one really is signed by the new key alone.
    rotation.jwks.write_bytes(rotation.old_jwks)
    assert ("fresh", len(rotation.tokens) - 1, "InvalidIdentityToken") in rotation.refusals()


@pytest.mark.any_version
def test_a_key_that_signs_before_it_is_published_fails(rotation: Rotation, tmp_path: Path, aws: Path) -> None:
    rotation.cluster.restart_api_server(rotation.new.verifies, rotation.new.signs)
    token = tmp_path / "token"
    token.write_text(rotation.sign())

    container = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
    done = AwsPrograms(aws, rotation.fresh.url).cli(container)

    operation = "the AssumeRoleWithWebIdentity operation"
    assert done.error == f"An error occurred (InvalidIdentityToken) when calling {operation}: {NO_KEY}"
    assert rotation.refusals() == [(name, 1, "InvalidIdentityToken") for name in ("cached", "fresh")]


@pytest.mark.any_version
def test_a_key_that_signs_before_caches_have_it_fails_where_they_are_old(rotation: Rotation) -> None:
    rotation.publish_merged()
    rotation.cluster.restart_api_server(rotation.new.verifies, rotation.new.signs)
    rotation.sign()

    assert rotation.refusals() == [("cached", 1, "InvalidIdentityToken")]
    rotation.clock.advance(CACHED_FOR)
    assert rotation.refusals() == []


@pytest.mark.any_version
def test_a_key_that_is_dropped_before_its_last_token_has_expired_fails(rotation: Rotation) -> None:
    rotation.publish_merged()
    rotation.clock.advance(CACHED_FOR)
    rotation.cluster.restart_api_server(rotation.new.verifies, rotation.new.signs)
    rotation.sign()
    assert rotation.refusals() == []

    rotation.drop_old()

    assert rotation.refusals() == [("fresh", 0, "InvalidIdentityToken")]
    rotation.clock.advance(CACHED_FOR)
    assert rotation.refusals() == [(name, 0, "InvalidIdentityToken") for name in ("cached", "fresh")]


@pytest.mark.any_version
def test_a_key_that_signs_before_all_api_servers_have_it_fails_at_the_others(rotation: Rotation) -> None:
    rotation.publish_merged()
    rotation.clock.advance(CACHED_FOR)
    rotation.cluster.restart_api_server(rotation.new.verifies, rotation.new.signs)
    rotation.sign()

    # As another API server of the same cluster, which has the old key only.
    rotation.cluster.restart_api_server()

    assert rotation.refusals() == [("API server", 1, "not authenticated")]
