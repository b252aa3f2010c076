"""Measures `audit` on a real kube-apiserver: 5,000 pods in 200 namespaces, 150 of them planted, of ten kinds.

It needs KUBEBUILDER_ASSETS. BENCH_PODS is the number of pods that are as they should be.
"""

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).parents[1]
# To import the harness of the end-to-end tests.
sys.path.append(str(ROOT))

from tests.e2e.cluster import Cluster  # noqa: E402 - after the path
from tests.e2e.planted_pods import KINDS, NAME, PlantedCluster  # noqa: E402
from tests.e2e.rbac import account_with  # noqa: E402
from tests.e2e.webhook_process import Webhook  # noqa: E402

PODS = int(os.environ.get("BENCH_PODS", "4850"))
EACH_KIND = 15
NAMESPACES = 200


def main() -> None:
    """Prints how long the audit took and its peak memory; exits with 1 if it found anything else than the planted."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        cluster = Cluster(folder)
        stack.callback(cluster.remove)
        cluster.start()
        account = account_with(cluster, cluster.namespace("webhook"))
        webhook = Webhook(cluster, folder, account, "--watch-config-map")
        stack.callback(webhook.remove)
        webhook.start()
        planted = PlantedCluster(cluster, webhook)
        planted.register()
        started = time.monotonic()
        planted.plant(PODS, EACH_KIND, namespaces=NAMESPACES)
        print(
            f"created {planted.count} pods, {len(planted.expected)} of them planted, in "
            f"{len(planted.namespaces) + 1} namespaces: {time.monotonic() - started:.0f} s"
        )
        flags = (
            "audit",
            "-A",
            "--output=json",
            f"--webhook-configuration={NAME}",
            f"--kubeconfig={cluster.kubeconfig}",
        )
        out = folder / "findings.json"
        started = time.monotonic()
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "webhook", *flags],
            {**os.environ, "PYTHONPATH": str(ROOT)},
            file_actions=[(os.POSIX_SPAWN_OPEN, 1, str(out), os.O_WRONLY | os.O_CREAT, 0o600)],
        )
        _, _, usage = os.wait4(pid, 0)
        took = time.monotonic() - started
        found = {
            (each["namespace"], each["pod"], each["finding"], each["reason"]) for each in json.loads(out.read_text())
        }
        cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
        print(f"audit: {took:.1f} s, {cpu:.1f} s of CPU, peak {peak:.0f} MB")
        missed, wrong = planted.expected - found, found - planted.expected
        print(f"found {len(found)} of {len(KINDS)} kinds; missed {len(missed)}, wrong {len(wrong)}")
        sys.exit(found != planted.expected)


if __name__ == "__main__":
    main()
