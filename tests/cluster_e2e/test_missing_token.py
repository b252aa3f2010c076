"""docs/troubleshooting.md: what kubelet says if it gets no token for the volume that the webhook added."""

from collections.abc import Iterator

import pytest

from tests.cluster_e2e.connection import ProxiedApi
from tests.cluster_e2e.release import Release
from tests.cluster_e2e.workloads import ACCOUNT, REQUIRED, restricted_pod
from tests.docs.messages import entries, is_quoted
from tests.e2e.objects import pods, service_accounts
from tests.e2e.waiting import wait_until

_LABEL = "test.pod-identity-webhook/token"


@pytest.fixture
def node(api: ProxiedApi) -> Iterator[str]:
    """A node, which loses the test's label afterwards."""
    name = str(api.get("/api/v1/nodes")["items"][0]["metadata"]["name"])
    yield name
    api.patch(f"/api/v1/nodes/{name}", {"metadata": {"labels": {_LABEL: None}}})


def test_kubelet_names_our_volume_if_the_service_account_was_deleted(
    api: ProxiedApi, release: Release, namespace: str, image: str, node: str
) -> None:
    assert release.pods()
    (quote,) = entries()['MountVolume.SetUp failed for volume "aws-iam-token"'].messages
    pod = restricted_pod("late", image, labels=REQUIRED)
    # The scheduler waits for the label, so that the ServiceAccount is gone before kubelet sees the pod.
    pod["spec"]["nodeSelector"] = {_LABEL: "wanted"}
    api.create(pods(namespace), pod)
    api.delete(f"{service_accounts(namespace)}/{ACCOUNT}")

    api.patch(f"/api/v1/nodes/{node}", {"metadata": {"labels": {_LABEL: "wanted"}}})

    def said() -> list[str]:
        events = api.get(f"/api/v1/namespaces/{namespace}/events")["items"]
        return [str(event["message"]) for event in events if event["reason"] == "FailedMount"]

    found = wait_until(said, "kubelet to fail to mount", within=120)
    assert is_quoted(quote, found[0]), found
    assert found[0].endswith(f'serviceaccounts "{ACCOUNT}" not found')
