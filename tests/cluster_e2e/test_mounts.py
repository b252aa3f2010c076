"""Other mounts beside ours, with the node's real runtime: a pod that runs without the webhook also runs with it."""

import json
from typing import Any, Final

from tests.cluster_e2e.connection import ProxiedApi
from tests.cluster_e2e.release import Release
from tests.cluster_e2e.workloads import restricted_pod
from tests.e2e.api import Object
from tests.e2e.objects import ROLE, config_maps, pods
from tests.e2e.waiting import wait_until

OURS: Final = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
# Prints whether there is a token, and the role.
SAYS: Final = """
import json, os
path = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE", "")
print(json.dumps({"role": os.environ.get("AWS_ROLE_ARN"), "token": bool(path) and len(open(path).read()) > 0}))
"""
SETTINGS: Final = {"name": "settings", "configMap": {"name": "settings"}}
SCRATCH: Final[Object] = {"name": "scratch", "emptyDir": {}}
HAS: Final = {"role": ROLE, "token": True}
HAS_NOT: Final = {"role": None, "token": False}
# For each container: its mounts, and the expected output.
CASES: Final[dict[str, tuple[list[Object], dict[str, Any]]]] = {
    "nothing": ([], HAS),
    "read-only-parent": ([{"name": "settings", "mountPath": "/var/run/secrets"}], HAS_NOT),
    "read-only-parent-by-run": ([{"name": "settings", "mountPath": "/run/secrets"}], HAS_NOT),
    "read-only-by-its-mount": ([{"name": "scratch", "mountPath": "/var/run", "readOnly": True}], HAS_NOT),
    "writable-parent": ([{"name": "scratch", "mountPath": "/var/run/secrets"}], HAS),
    "writable-parent-by-run": ([{"name": "scratch", "mountPath": "/run/secrets"}], HAS),
    "below-ours": ([{"name": "settings", "mountPath": f"{OURS}/settings"}], HAS),
    "below-ours-by-run": ([{"name": "settings", "mountPath": f"{OURS.removeprefix('/var')}/settings"}], HAS_NOT),
    "beside-ours": ([{"name": "settings", "mountPath": "/var/run/secrets/settings"}], HAS),
}


def test_every_container_starts_whatever_other_mounts_it_has(
    api: ProxiedApi, release: Release, namespace: str, image: str
) -> None:
    assert release.pods()
    api.create(config_maps(namespace), {"metadata": {"name": "settings"}, "data": {"a": "b"}})
    pod = restricted_pod("mounts", image, command=["python3", "-c", SAYS])
    (container,) = pod["spec"]["containers"]
    # Give each container its own volumes: if kubelet creates a folder in a shared volume, all its containers see it.
    pod["spec"]["containers"] = [
        {**container, "name": name, "volumeMounts": [{**one, "name": f"{name}-{one['name']}"} for one in mounts]}
        for name, (mounts, _) in CASES.items()
    ]
    pod["spec"]["volumes"] = [
        {**volume, "name": f"{name}-{volume['name']}"} for name in CASES for volume in (SETTINGS, SCRATCH)
    ]
    api.create(pods(namespace), pod)
    path = f"{pods(namespace)}/mounts"

    wait_until(
        lambda: api.get(path)["status"]["phase"] == "Succeeded",
        "all containers to have run",
        within=120,
        last_seen=lambda: str(api.get(path)["status"].get("containerStatuses")),
    )

    said = {name: json.loads(api.log(namespace, "mounts", name)) for name in CASES}
    assert said == {name: found for name, (_, found) in CASES.items()}
