"""Runs the webhook's command with a pod's credentials from a test folder: `python in_pod.py FOLDER COMMAND...`.

Tests must not write to the real place, /var/run/secrets: they may themselves run in a pod. With TEST_FIRST_PROCESS, it
runs as `kubectl exec` does: that file takes the place of /proc/1/cmdline. TEST_HOSTS is the cluster's DNS, as JSON.
"""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from webhook.cli import main
from webhook.cluster.access import AccessSettings
from webhook.commands.certs.installation import pod_of


def _resolve(hosts: dict[str, str]) -> None:
    resolve: Any = socket.getaddrinfo

    def resolved(host: Any, *rest: Any, **named: Any) -> Any:
        return resolve(hosts.get(host, host), *rest, **named)

    socket.getaddrinfo = resolved


if __name__ == "__main__":
    defaults = AccessSettings.__init__.__kwdefaults__
    assert defaults is not None
    assert defaults["in_cluster_files"] == Path("/var/run/secrets/kubernetes.io/serviceaccount")
    defaults["in_cluster_files"] = Path(sys.argv[1])
    if "TEST_FIRST_PROCESS" in os.environ:
        of_pod = pod_of.__kwdefaults__
        assert of_pod is not None
        assert of_pod["process"] == Path("/proc/1/cmdline")
        of_pod["process"] = Path(os.environ["TEST_FIRST_PROCESS"])
        _resolve(json.loads(os.environ["TEST_HOSTS"]))
    sys.exit(main(sys.argv[2:], os.environ))
