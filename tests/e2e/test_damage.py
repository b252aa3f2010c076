"""Others damage the Secret: the webhook repairs it and reports that in log and metrics, and pods still get roles."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.issue import Names, Pair, issue_ca, issue_leaf, service_names
from certs.renewal import issued_at
from certs.state import ROTATE_LEAF_AFTER, format_time
from tests.e2e.api import ApiError
from tests.e2e.cluster import Cluster
from tests.e2e.pod_load import PodLoad
from tests.e2e.proxy import Proxy
from tests.e2e.replicas import HELM_LABELS, SECRET, Replicas
from tests.e2e.waiting import wait_until

_FAILED = 'certificate_failures_total{what="secret"}'
_RESTORED = ("CA", "leaf")
_EMPTY = {"data": {"tls.crt": "", "tls.key": ""}, "type": "kubernetes.io/tls"}


@pytest.fixture(scope="module")
def release(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Two replicas; tests share them and must leave them unchanged."""
    shared = Replicas(cluster, tmp_path_factory.mktemp("replicas"), 2, "--ca-settle=1s")
    try:
        shared.start()
        yield shared
    finally:
        shared.remove()


def _delete(release: Replicas) -> None:
    release.admin.delete(release.secret)


def _empty(release: Replicas) -> None:
    release.patch_secret(None)


def _fill_with_garbage(release: Replicas) -> None:
    release.patch_secret(dict.fromkeys(release.data(), b"\x00garbage\xff"))


def _swap_the_leaf(release: Replicas) -> None:
    foreign = _foreign_leaf(release)
    release.patch_secret({"tls.crt": foreign.certificate, "tls.key": foreign.private_key})


def _swap_the_certificate_alone(release: Replicas) -> None:
    release.patch_secret({"tls.crt": _foreign_leaf(release).certificate})


def _take_the_key_of_the_leaf(release: Replicas) -> None:
    release.patch_secret({"tls.key": None})


def _take_the_key_of_the_ca(release: Replicas) -> None:
    release.patch_secret({"ca.key": b""})


def _change_the_type(release: Replicas) -> None:
    def changed() -> bool:
        release.admin.delete(release.secret)
        try:
            release.create_secret(**_EMPTY)
        except ApiError as error:
            if error.code == 409:
                return False
            raise
        return True

    wait_until(changed, "a Secret of our own before a replica makes one", within=20)


@dataclass(frozen=True)
class _Damage:
    do: Callable[[Replicas], None]
    what: tuple[str, ...]
    said: tuple[str, ...] = ()


@pytest.mark.parametrize(
    "damage",
    [
        _Damage(_delete, _RESTORED),
        _Damage(_empty, _RESTORED),
        _Damage(_fill_with_garbage, _RESTORED, ("ca.crt and ca.key: the certificate cannot be read",)),
        _Damage(_swap_the_leaf, ("leaf",)),
        _Damage(_swap_the_certificate_alone, ("leaf",), ("tls.key does not belong to tls.crt",)),
        _Damage(_take_the_key_of_the_leaf, ("leaf",), ("tls.key is empty",)),
        _Damage(_take_the_key_of_the_ca, ("CA",), ("ca.key is empty",)),
        _Damage(_change_the_type, _RESTORED),
    ],
    ids=lambda damage: damage.do.__name__.strip("_"),
)
def test_a_damaged_secret_is_restored_within_seconds_and_no_pod_fails(
    release: Replicas, measured: Callable[[str], None], damage: _Damage
) -> None:
    before = release.data()
    lengths = release.log_lengths()
    counted = {what: release.sum_of(_renewals(what)) for what in damage.what}
    with PodLoad(release, clients=1) as load:
        load.wait_for_more(3)
        with _timed(measured, f"Secret, {damage.do.__name__.strip('_')}"):
            damage.do(release)
            wait_until(
                lambda: _data(release) == before, "the Secret as it was", within=20, last_seen=release.last_lines
            )
        release.wait_until_right()
        load.wait_for_more(3)
    assert load.failures == []
    # The replica that wrote the Secret logs it right after.
    said = [f"wrote the Secret: {what}: restored" for what in damage.what]
    said += [f"the Secret is damaged: {problem}" for problem in damage.said]
    wait_until(
        lambda: all(line in release.logged_since(lengths) for line in said),
        f"lines of the log: {said}",
        within=10,
        last_seen=release.last_lines,
    )
    for what, count in counted.items():
        assert release.sum_of(_renewals(what)) > count
    metadata = release.admin.get(release.secret)["metadata"]
    assert HELM_LABELS.items() <= metadata["labels"].items()
    assert metadata["annotations"]["meta.helm.sh/release-name"] == "irsa"
    assert all(replica.is_ready() for replica in release.replicas)


def test_an_immutable_secret_is_reported_when_it_must_change_and_created_again_when_deleted(
    release: Replicas,
) -> None:
    state = release.wait_until_right()
    assert state.leaf is not None
    before, failed = release.data(), release.sum_of(_FAILED)
    with PodLoad(release, clients=1) as load:
        release.admin.patch(release.secret, {"immutable": True})
        release.annotate_secret(**{ROTATE_LEAF_AFTER: format_time(issued_at(state.leaf) + timedelta(seconds=1))})
        said = f"it is immutable, so we cannot renew certificates: delete it (kubectl delete secret {SECRET} "
        wait_until(
            lambda: all(said in replica.process.log_text() for replica in release.replicas),
            "each log to say what to do",
            within=20,
            last_seen=release.last_lines,
        )
        assert release.sum_of(_FAILED) > failed
        assert [replica.probe() for replica in release.replicas] == [(200, "ok\n")] * 2
        assert release.data() == before
        load.wait_for_more(3)
        release.admin.delete(release.secret)
        wait_until(lambda: _data(release) == before, "the Secret as it was", within=20, last_seen=release.last_lines)
        load.wait_for_more(3)
    assert load.failures == []
    assert "immutable" not in release.admin.get(release.secret)


def test_an_empty_secret_that_is_immutable_keeps_a_new_webhook_from_being_ready_until_it_is_deleted(
    cluster: Cluster, tmp_path: Path
) -> None:
    own = Replicas(cluster, tmp_path, 1, secret=False)
    try:
        own.create_secret(**_EMPTY, immutable=True)
        own.launch()
        (replica,) = own.replicas
        wait_until(
            lambda: "it is immutable" in replica.probe()[1],
            "/readyz to say what is missing",
            within=60,
            last_seen=own.last_lines,
        )
        assert replica.probe()[0] == 503
        assert replica.served() is None
        assert own.published() == ()
        own.admin.delete(own.secret)
        replica.wait_until_ready()
        own.wait_until_injected()
    finally:
        own.remove()


def test_while_the_api_server_is_away_nothing_crashes_and_the_old_certificate_is_served(
    cluster: Cluster, proxy: Proxy, tmp_path: Path
) -> None:
    own = Replicas(cluster, tmp_path, 1, api_url=proxy.url)
    (replica,) = own.replicas
    try:
        proxy.refuse()
        own.launch()
        wait_until(lambda: replica.probe()[0] == 503, "a webhook that waits", within=60, last_seen=own.last_lines)
        wait_until(lambda: "cannot be reached" in replica.probe()[1], "why", within=20, last_seen=own.last_lines)
        assert replica.served() is None
        proxy.accept()
        replica.wait_until_ready()
        first = own.wait_until_right()
        own.wait_until_injected()
        assert first.leaf is not None

        # The webhook knows the request before it is due, and will try to renew at that time.
        due = datetime.now(UTC) + timedelta(seconds=2)
        own.annotate_secret(**{ROTATE_LEAF_AFTER: format_time(due)})
        proxy.refuse()
        wait_until(lambda: datetime.now(UTC) > due, "the moment of renewal", within=10)
        failed = replica.metrics()[_FAILED]
        wait_until(lambda: replica.metrics()[_FAILED] > failed, "another failure", within=90, last_seen=own.last_lines)
        assert "certificate maintenance failed: secret: the API server at" in replica.log
        assert replica.is_ready()
        assert replica.served() == first.leaf.certificate
        assert own.is_injected()
        proxy.accept()
        wait_until(
            lambda: replica.served() not in {None, first.leaf and first.leaf.certificate},
            "another leaf",
            within=90,
            last_seen=own.last_lines,
        )
        own.wait_until_right()
        assert own.is_injected()
        assert replica.process.is_running
        assert "Traceback" not in replica.log
    finally:
        own.remove()


def _renewals(what: str) -> str:
    return f'certificate_renewals_total{{what="{what}"}}'


def _data(release: Replicas) -> dict[str, bytes] | None:
    try:
        return release.data()
    except ApiError as error:
        if error.code == 404:
            return None
        raise


def _foreign_leaf(release: Replicas) -> Pair:
    now = datetime.now(UTC)
    names = Names.parse(service_names(release.service.name, release.namespace))
    return issue_leaf(issue_ca(now, common_name="somebody else's CA"), names, now)


@contextmanager
def _timed(measured: Callable[[str], None], what: str) -> Iterator[None]:
    began = datetime.now(UTC)
    yield
    measured(f"{what}: put right within {(datetime.now(UTC) - began).total_seconds():.2f} s")
