"""A hostile tenant beside another tenant, on a real API server: the attack must not affect the other tenant.

The webhook runs with the memory limit of the chart. The other tenant creates pods, with and without the label, while
`hostile_tenant.py` attacks for two minutes. We compare this with two other periods. In the first, the hostile tenant
sends the API server as many requests but attacks no webhook. In the second, it also attacks another webhook: that uses
as much of the machine but nothing of the webhook under test.
"""

import itertools
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import pytest
import yaml

from tests.e2e.api import Api, ApiError
from tests.e2e.cluster import Cluster
from tests.e2e.hostile_tenant import API_ATTACKS, ATTACKS, Settings
from tests.e2e.memory_limit import memory_limit
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts
from tests.e2e.process import Process
from tests.e2e.rbac import account_with
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import Webhook

ATTACK_SECONDS = float(os.environ.get("HOSTILE_SECONDS", "120"))
QUIET_SECONDS = min(30.0, ATTACK_SECONDS)
CLIENTS = 3
PAUSE = 0.1
CHART = yaml.safe_load(Path("charts/pod-identity-webhook/values.yaml").read_text())
LABEL = "eks.amazonaws.com/require-pod-identity"
NEW_ACCOUNT_EACH = 10
SCRAPE = {"periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 2}
TENANT_RULES = [
    {"apiGroups": [""], "resources": ["pods", "serviceaccounts", "configmaps"], "verbs": ["create", "patch"]}
]


@dataclass
class Seen:
    """The outcomes of the other tenant's pods and of the probes."""

    seconds: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    without_role: int = 0
    probe_failures: dict[str, int] = field(default_factory=dict)
    resident: int = 0

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.seconds, n=100)[98]


class Neighbour:
    """Creates pods from several clients, probes as kubelet does, and scrapes as Prometheus does."""

    def __init__(self, cluster: Cluster, webhook: Webhook, namespace: str) -> None:
        self._cluster, self._webhook, self._namespace = cluster, webhook, namespace
        self._numbers = itertools.count()
        self.seen = Seen()
        self._done = threading.Event()

    @contextmanager
    def at_work(self) -> Iterator[Seen]:
        """Works while the context lasts; the yielded result is complete after the context."""
        self.seen, self._done = Seen(), threading.Event()
        probes = [("liveness", "/healthz", CHART["livenessProbe"]), ("readiness", "/readyz", CHART["readinessProbe"])]
        probes.append(("scrape", "/metrics", SCRAPE))
        work = [threading.Thread(target=self._create) for _ in range(CLIENTS)]
        work += [threading.Thread(target=self._probe, args=probe) for probe in probes]
        work.append(threading.Thread(target=self._watch_memory))
        for thread in work:
            thread.start()
        try:
            yield self.seen
        finally:
            self._done.set()
            for thread in work:
                thread.join()

    def _create(self) -> None:
        api = Api(self._cluster.url, self._cluster.ca, self._cluster.admin_token)
        while not self._done.wait(PAUSE):
            number = next(self._numbers)
            name = "app"
            started = time.monotonic()
            try:
                if number % NEW_ACCOUNT_EACH == 0:
                    # The webhook does not know this new ServiceAccount yet: its pod needs a live read.
                    name = f"app-{number}"
                    api.create(service_accounts(self._namespace), service_account(name, ROLE))
                    started = time.monotonic()
                body = pod(f"p-{number}", name, labels={LABEL: "true"} if number % 2 else {})
                created = api.create(pods(self._namespace), body, dryRun="All")
            except (ApiError, httpx.TransportError) as error:
                self.seen.refused.append(str(error)[:300])
                continue
            self.seen.seconds.append(time.monotonic() - started)
            self.seen.without_role += role_of(created) != ROLE
        api.close()

    def _probe(self, name: str, path: str, probe: dict[str, int]) -> None:
        failures = 0
        self.seen.probe_failures[name] = 0
        while not self._done.wait(probe["periodSeconds"]):
            try:
                # Use a new connection each time, as kubelet does.
                url = f"http://{self._webhook.address}:9999{path}"
                ok = httpx.get(url, timeout=probe["timeoutSeconds"], trust_env=False).status_code == 200
            except httpx.TransportError:
                ok = False
            failures = 0 if ok else failures + 1
            self.seen.probe_failures[name] = max(self.seen.probe_failures[name], failures)

    def _watch_memory(self) -> None:
        while not self._done.wait(0.2):
            self.seen.resident = max(self.seen.resident, _resident(self._webhook.process.pid))


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _bytes(quantity: str) -> int:
    assert quantity.endswith("Mi")
    return int(quantity.removesuffix("Mi")) * 2**20


@pytest.mark.alone
def test_a_hostile_tenant_harms_nobody_else(
    breakable_cluster: Cluster, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    cluster = breakable_cluster
    limit = _bytes(CHART["resources"]["limits"]["memory"])
    webhook, another = (
        Webhook(cluster, tmp_path, account_with(cluster, cluster.namespace("hostile-webhook"))) for _ in range(2)
    )
    with memory_limit(limit) as cgroup:
        if cgroup is not None:
            webhook.process.command = cgroup.wrapped(webhook.process.command)
        webhook.start()
        pid = webhook.process.pid
        try:
            webhook.register(failure_policy="Ignore", fails_closed_for=LABEL)
            another.start()
            _attacked(cluster, webhook, another, tmp_path, measured)
            peak = cgroup.peak if cgroup is not None else 0
            where = f"cgroup's peak {peak >> 20} MiB" if cgroup is not None else "no cgroup can be made here"
            measured(f"hostile tenant: {where}, limit {limit >> 20} MiB")
            assert webhook.process.is_running, webhook.process.last_lines()
            assert webhook.process.pid == pid
            assert "Traceback" not in webhook.process.log_text()
        finally:
            another.remove()
            webhook.remove()


def _attacked(
    cluster: Cluster, webhook: Webhook, another: Webhook, folder: Path, measured: Callable[[str], None]
) -> None:
    ours, theirs = webhook.pod_namespace("neighbour"), webhook.pod_namespace("hostile")
    cluster.admin.create(service_accounts(ours), service_account("app", ROLE))
    tenant = account_with(cluster, theirs, "hostile", cluster_rules=[], namespace_rules=TENANT_RULES)
    cluster.admin.patch(f"{service_accounts(theirs)}/hostile", service_account("hostile", ROLE))
    wait_until(lambda: _known(cluster, ours), "the ServiceAccount to be known", within=15)
    neighbour = Neighbour(cluster, webhook, ours)
    settings = Settings(
        api=cluster.url,
        ca=cluster.ca,
        token=tenant.token,
        namespace=theirs,
        webhook=webhook.address,
        webhook_ca=webhook.ca,
        metrics_port=9999,
        attacks=API_ATTACKS,
        harmless=True,
    )
    with attacking(settings, folder / "harmless"), neighbour.at_work() as quiet:
        time.sleep(QUIET_SECONDS)
    attacks = os.environ.get("HOSTILE_ATTACKS", ",".join(ATTACKS)).split(",")
    aside = Settings(**{**asdict(settings), "attacks": ATTACKS, "webhook": another.address, "webhook_ca": another.ca})
    with attacking(aside, folder / "aside"), neighbour.at_work() as beside:
        time.sleep(QUIET_SECONDS)
    another.process.kill()
    hostile = Settings(**{**asdict(settings), "attacks": attacks, "harmless": False})
    with attacking(hostile, folder / "hostile"), neighbour.at_work() as attacked:
        time.sleep(ATTACK_SECONDS)
        metrics = webhook.metrics()
    for name, seen in (("quiet", quiet), ("another webhook attacked", beside), ("attacked", attacked)):
        measured(
            f"hostile tenant, {name}: {len(seen.seconds)} pods, {len(seen.refused)} refused,"
            f" {seen.without_role} without role,"
            f" p50 {statistics.median(seen.seconds) * 1e3:.0f} ms, p99 {seen.p99 * 1e3:.0f} ms,"
            f" RSS at most {seen.resident >> 20} MiB, failed probes in a row {seen.probe_failures}"
        )
    pause = metrics["pod_identity_webhook_event_loop_longest_pause_seconds"]
    evicted = metrics['pod_identity_webhook_evicted_connections_total{port="https"}']
    measured(f"hostile tenant: longest pause of the loop {pause:.2f} s, {evicted:.0f} connections gave way")
    assert (attacked.refused[:3], attacked.without_role) == ([], 0)
    assert attacked.probe_failures["liveness"] < CHART["livenessProbe"]["failureThreshold"]
    assert attacked.probe_failures["readiness"] < CHART["readinessProbe"]["failureThreshold"]
    assert attacked.probe_failures["scrape"] < SCRAPE["failureThreshold"]
    assert attacked.p99 < 3 * max(quiet.p99, beside.p99)
    assert attacked.resident < _bytes(CHART["resources"]["limits"]["memory"])


def _known(cluster: Cluster, namespace: str) -> bool:
    created = cluster.admin.create(pods(namespace), pod("known", "app"), dryRun="All")
    return role_of(created) == ROLE


@contextmanager
def attacking(settings: Settings, log: Path) -> Iterator[None]:
    """Runs the tenant as a separate process, which ends with the context or with this process."""
    file = log.with_suffix(".json")
    file.write_text(json.dumps(asdict(settings)))
    process = Process(
        [sys.executable, str(Path(__file__).with_name("hostile_tenant.py")), str(file)], log.with_suffix(".log")
    )
    process.start(lambda: True, within=10)
    try:
        yield
        assert process.is_running, process.last_lines()
    finally:
        process.kill()
