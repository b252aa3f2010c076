"""No pod is refused or missed during rotations of leaf and CA, although each change coincides with new connections."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from certs.issue import Pair
from certs.pem import is_issued_by
from certs.renewal import issued_at
from certs.state import ROTATE_CA_AFTER, ROTATE_LEAF_AFTER, State, format_time
from tests.e2e.cluster import Cluster
from tests.e2e.pod_load import PodLoad
from tests.e2e.replicas import Replicas
from tests.e2e.waiting import wait_until

_ROUNDS = 10
_RESTARTED_IN = {3: 0, 7: 1}
# Time enough for the API server to learn of a caBundle on a busy machine.
_SETTLE = "2s"
# At least this many pods are created in each state, even on a slow machine, half of them over new connections.
_PODS = 8


@dataclass
class _Seen:
    """The bundles, leaves and CAs that clients could see."""

    bundles: set[frozenset[bytes]] = field(default_factory=set)
    leaves: set[bytes] = field(default_factory=set)
    authorities: set[bytes] = field(default_factory=set)

    def add(self, release: Replicas, state: State) -> None:
        assert state.leaf is not None
        published = frozenset(release.published())
        self.bundles.add(published)
        self.authorities |= published
        self.leaves.add(state.leaf.certificate)


class _Rotation:
    """A release under load, and the certificates that it has used."""

    def __init__(self, release: Replicas, load: PodLoad) -> None:
        self.release = release
        self.load = load
        self.seen = _Seen()

    def look(self) -> State:
        """Waits until all replicas agree, records the state, and waits for more pods over new connections."""
        state = self.release.wait_until_right()
        self.seen.add(self.release, state)
        before = self.release.balancer.connections
        self.load.wait_for_more(_PODS)
        assert self.release.balancer.connections > before
        return state

    def rotate_leaf(self, state: State) -> State:
        assert state.leaf is not None
        self._ask(ROTATE_LEAF_AFTER, state.leaf)
        self.until(lambda now: now.leaf != state.leaf, "another leaf")
        after = self.look()
        assert after.ca == state.ca
        return after

    def rotate_ca(self, state: State) -> State:
        """Rotates the CA: clients first trust the new one, then it signs."""
        assert state.ca is not None
        self._ask(ROTATE_CA_AFTER, state.ca)
        announced = self.until(lambda now: now.next_ca is not None or now.ca != state.ca, "another CA")
        coming = announced.next_ca or announced.ca
        self.look()
        self.until(lambda now: now.ca == coming, "the other CA to take over")
        after = self.look()
        assert after.leaf is not None
        assert coming is not None
        assert is_issued_by(after.leaf.certificate, coming.certificate)
        assert state.ca.certificate in {previous.certificate for previous in after.previous}, "leaves of it are valid"
        return after

    def until(self, holds: Callable[[State], bool], what: str) -> State:
        """Waits until `holds` is true of the Secret's state, and returns that state."""

        def reached() -> State | None:
            state = self.release.state()
            return state if state is not None and holds(state) else None

        return wait_until(reached, what, within=30, last_seen=self.release.last_lines)

    def report(self, how: str) -> str:
        return (
            f"rotation {how}: {self.load.created} pods, {len(self.load.failures)} failed or without a role; "
            f"seen: {len(self.seen.leaves)} leaves, {len(self.seen.authorities)} CAs, {len(self.seen.bundles)} "
            f"caBundles, {self.release.balancer.connections} connections of the API server"
        )

    def _ask(self, annotation: str, pair: Pair) -> None:
        """Requests a renewal as `certs rotate` does: certificates issued before the named second are due."""
        self.release.annotate_secret(**{annotation: format_time(issued_at(pair) + timedelta(seconds=1))})


def test_ten_requested_rotations_of_leaf_and_ca_fail_no_pod(
    cluster: Cluster, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    release = Replicas(
        cluster, tmp_path, 2, "--certificate-lifetime=20s", "--ca-lifetime=10m", f"--ca-settle={_SETTLE}"
    )
    try:
        release.start()
        with PodLoad(release, reconnecting=True) as load:
            rotation = _Rotation(release, load)
            state = rotation.look()
            for number in range(_ROUNDS):
                state = rotation.rotate_leaf(state)
                if number in _RESTARTED_IN:
                    release.replicas[_RESTARTED_IN[number]].restart()
                state = rotation.rotate_ca(state)
        measured(rotation.report(f"by annotation, {_ROUNDS} times each, 2 replicas, {len(_RESTARTED_IN)} restarts"))
        assert load.failures == []
        assert len(rotation.seen.authorities) > _ROUNDS
        assert len(rotation.seen.leaves) > 2 * _ROUNDS
        assert len(state.previous) < _ROUNDS, "CAs whose leaves have all expired are dropped"
        _assert_nothing_went_wrong(release)
    finally:
        release.remove()


def test_certificates_that_live_for_seconds_are_renewed_by_themselves_and_fail_no_pod(
    cluster: Cluster, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    release = Replicas(
        cluster, tmp_path, 2, "--certificate-lifetime=12s", "--ca-lifetime=24s", f"--ca-settle={_SETTLE}"
    )
    try:
        release.start()
        with PodLoad(release, reconnecting=True) as load:
            rotation = _Rotation(release, load)
            state = first = rotation.look()
            while state.ca == first.ca:
                leaf = state.leaf
                rotation.until(lambda now, leaf=leaf: now.leaf != leaf, "another leaf")  # type: ignore[misc]
                state = rotation.look()
        measured(rotation.report("by lifetime, leaf 12 s and CA 24 s, 2 replicas"))
        assert load.failures == []
        _assert_nothing_went_wrong(release)
    finally:
        release.remove()


def _assert_nothing_went_wrong(release: Replicas) -> None:
    """Checks that there were no failures except conflicts, which replicas have if another was faster."""
    for what in ("secret", "bundle", "issue", "serve", "unexpected"):
        assert release.sum_of(f'certificate_failures_total{{what="{what}"}}') == 0, release.last_lines()
    assert release.sum_of("certificate_write_contention") == 0, release.last_lines()
    assert "restored" not in release.log_text()
