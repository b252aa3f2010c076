"""`helm install` with default values: pods get their credentials, and `helm uninstall` leaves nothing behind."""

from collections.abc import Callable

import pytest

from tests.cluster_e2e.connection import ProxiedApi
from tests.cluster_e2e.inventory import inventory
from tests.cluster_e2e.release import Release
from tests.cluster_e2e.workloads import ACCOUNT, make_namespace, remove_namespace, report_of_pod, restricted_pod
from tests.e2e.api import ApiError
from tests.e2e.objects import ROLE, pods
from tests.e2e.waiting import wait_until
from tests.features import Feature

TOKEN_FILE = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"


@pytest.mark.parametrize("uid", [None, 1000], ids=["the-user-of-the-image", "user-1000"])
def test_a_pod_reads_its_token_as_a_user_who_is_not_root(
    api: ProxiedApi, release: Release, namespace: str, image: str, uid: int | None
) -> None:
    assert len(release.pods()) == 2
    security = {} if uid is None else {"runAsUser": uid}
    report = report_of_pod(api, namespace, "reader", image, **security)
    assert report["uid"] == (65532 if uid is None else uid)
    assert report["variables"] == {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": TOKEN_FILE}
    claims = report["claims"]
    assert claims["aud"] == ["sts.amazonaws.com"]
    assert claims["sub"] == f"system:serviceaccount:{namespace}:{ACCOUNT}"
    # The API server extends the lifetime only of tokens for itself, and this token is not for the API server.
    assert claims["exp"] - claims["iat"] == 86400


@pytest.mark.needs(Feature.POD_SECURITY)
def test_our_pods_run_where_a_pod_that_is_not_restricted_is_refused(
    api: ProxiedApi, release: Release, image: str
) -> None:
    assert len(release.pods()) == 2
    body = restricted_pod("unrestricted", image)
    del body["spec"]["securityContext"]
    with pytest.raises(ApiError, match=r'403: .*violates PodSecurity "restricted:latest"'):
        api.create(pods(release.namespace), body, dryRun="All")


def test_helm_test_passes(release: Release, measured: Callable[[str], None]) -> None:
    measured(f"helm test: {release.test():.1f} s")


def test_an_uninstall_leaves_nothing_in_the_whole_cluster(
    api: ProxiedApi, image: str, measured: Callable[[str], None]
) -> None:
    namespace = make_namespace(api, "e2e-uninstall")
    other = Release(api, namespace, image, name="second-pod-identity-webhook")
    try:
        before = inventory(api)
        measured(f"helm install of a second release: {other.install():.1f} s")
        made = inventory(api) - before
        assert any(name.startswith("mutatingwebhookconfigurations.") for name in made), made
        other.test()
        other.uninstall()
        wait_until(
            lambda: not inventory(api) - before,
            "nothing left",
            within=60,
            last_seen=lambda: f"left: {sorted(inventory(api) - before)}",
        )
        assert not before - inventory(api), "it took something with it that was there before"
        measured(f"helm install makes {len(made)} objects, helm uninstall leaves 0")
    finally:
        other.uninstall()
        other.close()
        remove_namespace(api, namespace)
