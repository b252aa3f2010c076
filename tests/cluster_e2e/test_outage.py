"""No webhook runs: pods that need no role are admitted, pods that need one are refused, and our own pods can start."""

from collections.abc import Callable, Iterator

import pytest

from tests.cluster_e2e.release import Release
from tests.cluster_e2e.workloads import REQUIRED, restricted_pod
from tests.e2e.api import Api, ApiError
from tests.e2e.objects import ROLE, pods, role_of


@pytest.fixture(scope="module")
def stopped(release: Release) -> Iterator[Release]:
    release.scale(0)
    yield release
    release.scale(2)


def test_a_pod_without_the_label_is_admitted_unchanged(api: Api, stopped: Release, namespace: str, image: str) -> None:
    assert stopped.pods() == []
    assert role_of(api.create(pods(namespace), restricted_pod("plain", image))) is None


def test_a_pod_that_needs_its_role_is_refused_and_the_message_names_us(
    api: Api, stopped: Release, namespace: str, image: str, measured: Callable[[str], None]
) -> None:
    with pytest.raises(ApiError) as refused:
        api.create(pods(namespace), restricted_pod("labelled", image, labels=REQUIRED))
    measured(f"refused with no webhook: {refused.value.code} {refused.value.message}")
    assert refused.value.code == 500
    assert "failed calling webhook" in refused.value.message
    assert stopped.name in refused.value.message


def test_pods_of_kube_system_start_even_with_the_label(api: Api, stopped: Release, image: str) -> None:
    body = restricted_pod("e2e-labelled", image, labels=REQUIRED)
    body["spec"]["serviceAccountName"] = "default"
    assert stopped.pods() == []
    assert role_of(api.create(pods("kube-system"), body, dryRun="All")) is None


def test_our_own_pods_start_and_give_roles_again(api: Api, stopped: Release, namespace: str, image: str) -> None:
    # This must be the last test of the file: the others need the webhook stopped.
    stopped.scale(2)
    assert role_of(api.create(pods(namespace), restricted_pod("after", image, labels=REQUIRED))) == ROLE
