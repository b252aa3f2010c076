"""During every operation on a running release, each pod that needs its role is admitted and gets it."""

from collections.abc import Callable

from tests.cluster_e2e.creations import Creations
from tests.cluster_e2e.release import PATIENCE, Release
from tests.e2e.api import Api
from tests.e2e.waiting import wait_until


def test_no_pod_is_lost_in_a_rolling_restart(
    api: Api, release: Release, namespace: str, image: str, measured: Callable[[str], None]
) -> None:
    old = _names(release)
    with Creations(api, namespace, image) as creations:
        release.restart()
        _wait_gone(release, old)
    measured(f"rolling restart: {creations.summary}")
    creations.assert_none_lost()


def test_no_pod_is_lost_when_one_of_our_pods_is_deleted(
    api: Api, release: Release, namespace: str, image: str, measured: Callable[[str], None]
) -> None:
    victim = min(_names(release))
    with Creations(api, namespace, image) as creations:
        # With the pod's own grace period, as when a node is drained.
        api.call("DELETE", f"/api/v1/namespaces/{release.namespace}/pods/{victim}")
        _wait_gone(release, {victim})
        release.wait_rolled_out()
    measured(f"deletion of a pod: {creations.summary}")
    creations.assert_none_lost()


def test_no_pod_is_lost_in_an_upgrade_with_changed_values_and_a_rollback(
    api: Api, release: Release, namespace: str, image: str, measured: Callable[[str], None]
) -> None:
    changed = {
        "config": {"verbosity": 3, "logFormat": "json", "drainPeriod": "12s"},
        "mutatingWebhook": {"timeoutSeconds": 7},
        "replicaCount": 3,
    }
    before = _names(release)
    with Creations(api, namespace, image) as creations:
        release.upgrade(changed)
        upgraded = _names(release)
        _wait_gone(release, before)
        release.roll_back(1)
        _wait_gone(release, upgraded)
    measured(f"upgrade and rollback: {creations.summary}")
    assert len(upgraded) == 3
    assert not before & upgraded
    assert len(_names(release)) == 2
    creations.assert_none_lost()


def _names(release: Release) -> set[str]:
    return {pod["metadata"]["name"] for pod in release.pods()}


def _wait_gone(release: Release, names: set[str]) -> None:
    def left() -> set[str]:
        return names & {pod["metadata"]["name"] for pod in release.pods(all_states=True)}

    wait_until(lambda: not left(), f"the end of {sorted(names)}", within=PATIENCE, last_seen=left)
