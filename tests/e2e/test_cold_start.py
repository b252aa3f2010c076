"""First start: any number of replicas that start at once agree on one CA, and pods get their role within seconds."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from certs.pem import is_issued_by
from certs.renewal import ends_at
from tests.e2e.api import ApiError
from tests.e2e.cluster import Cluster
from tests.e2e.proxy import Proxy
from tests.e2e.replicas import ENTRY, HELM_LABELS, REQUIRED_ENTRY, Replicas, text
from tests.e2e.waiting import wait_until

_STARTED = 90.0


@pytest.mark.parametrize(
    ("count", "secret"),
    [(1, False), (2, False), (5, False), (2, True)],
    ids=["1, no Secret", "2, no Secret", "5, no Secret", "2, an empty Secret"],
)
def test_replicas_that_start_at_once_end_with_one_ca(
    cluster: Cluster, tmp_path: Path, measured: Callable[[str], None], count: int, secret: bool
) -> None:
    release = Replicas(cluster, tmp_path, count, secret=secret)
    try:
        # From here on, the API server refuses pods until we answer: measure how long that takes.
        wait_until(lambda: _is_refused(release), "pods to be refused", within=20)
        started = time.monotonic()
        release.launch()
        release.wait_until_injected(within=_STARTED)
        took = time.monotonic() - started
        for replica in release.replicas:
            replica.wait_until_ready(within=_STARTED)
        state = release.wait_until_right(within=_STARTED)
        measured(
            f"cold start, {'empty' if secret else 'no'} Secret, replicas: {count}; "
            f"seconds from start to the first pod injected under Fail: {took:.1f}"
        )

        assert state.ca is not None
        assert state.leaf is not None
        assert is_issued_by(state.leaf.certificate, state.ca.certificate)
        assert (state.next_ca, state.previous) == (None, ())
        entries = release.admin.get(release.configuration)["webhooks"]
        bundles = {entry["name"]: entry["clientConfig"]["caBundle"] for entry in entries}
        assert bundles == dict.fromkeys((ENTRY, REQUIRED_ENTRY), text(state.ca.certificate))
        for what in ("CA", "leaf"):
            assert release.sum_of(f'certificate_renewals_total{{what="{what}"}}') == 1, "only one was ever made"
        assert release.sum_of("ca_bundle_in_sync") == count
        for kind, pair in (("ca", state.ca), ("leaf", state.leaf), ("serving", state.leaf)):
            assert _ends(release, kind) == {_end(pair.certificate)}
        metadata = release.admin.get(release.secret)["metadata"]
        assert HELM_LABELS.items() <= metadata["labels"].items()
        assert metadata["annotations"]["meta.helm.sh/release-name"] == "irsa"
    finally:
        release.remove()


@pytest.mark.parametrize(("secret", "method"), [(False, "POST"), (True, "PATCH")], ids=["no Secret", "an empty Secret"])
def test_replicas_that_race_for_the_first_write_agree(
    cluster: Cluster, proxy: Proxy, tmp_path: Path, secret: bool, method: str
) -> None:
    release = Replicas(cluster, tmp_path, 2, secret=secret, api_url=proxy.url)
    try:
        proxy.hold_requests(f"{method} {release.secret if secret else release.secrets}")
        release.launch()
        wait_until(
            lambda: len(proxy.held) == 2, "both to have made a CA", within=_STARTED, last_seen=release.last_lines
        )
        proxy.release()
        release.wait_until_injected(within=_STARTED)
        state = release.wait_until_right(within=_STARTED)
        assert (state.next_ca, state.previous) == (None, ())
        assert release.sum_of('certificate_renewals_total{what="CA"}') == 1
        assert release.sum_of('certificate_failures_total{what="conflict"}') >= 1
    finally:
        release.remove()


def _is_refused(release: Replicas) -> bool:
    try:
        release.create_pod()
    except ApiError as error:
        return error.code == 500
    return False


def _ends(release: Replicas, kind: str) -> set[float]:
    metric = f'certificate_expiry_timestamp_seconds{{kind="{kind}"}}'
    return {replica.metrics()[metric] for replica in release.replicas}


def _end(certificate: bytes) -> float:
    return ends_at(certificate).timestamp()
