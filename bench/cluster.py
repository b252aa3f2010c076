"""Measures the webhook on a real kube-apiserver with many ServiceAccounts, a tenth of which have roles.

The API server creates two of them. This module writes copies of those directly into etcd, with other names and UIDs:
50,000 copies take seconds, but the API server would take minutes. BENCH_ACCOUNTS is their number.
"""

import base64
import os
import re
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from processes import cpu_seconds, memory

ROOT = Path(__file__).parents[1]
# To import the harness of the end-to-end tests.
sys.path.append(str(ROOT))

from tests.e2e.cluster import Cluster  # noqa: E402 - after the path
from tests.e2e.objects import OTHER_ROLE, ROLE, ROLE_ANNOTATION, pod, service_account, service_accounts  # noqa: E402
from tests.e2e.programs import MissingProgram, control_plane  # noqa: E402
from tests.e2e.rbac import account_with  # noqa: E402
from tests.e2e.waiting import wait_until  # noqa: E402
from tests.e2e.webhook_process import Webhook  # noqa: E402

ACCOUNTS = int(os.environ.get("BENCH_ACCOUNTS", "50000"))
MODELS = "team-base"
IN_A_NAMESPACE = 500
RELISTS = 2
PATCHES = 3000
PATCHED_AT_ONCE = 8
READS = 500
# etcd accepts at most 128 operations in a transaction.
TRANSACTION = 128
WRITERS = 4


def in_a_cluster() -> dict[str, Any] | str:
    """The measurements, or, if a program is missing, which one."""
    try:
        control_plane("etcd"), control_plane("kube-apiserver")
    except MissingProgram as error:
        return str(error)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        cluster = Cluster(folder)
        stack.callback(cluster.remove)
        cluster.start()
        webhook = Webhook(cluster, folder, account_with(cluster, cluster.namespace("webhook")))
        stack.callback(webhook.remove)
        started = time.monotonic()
        namespaces = fill(cluster)
        results: dict[str, Any] = {"service_accounts": ACCOUNTS, "fill_s": time.monotonic() - started}
        return results | measure(cluster, webhook, namespaces)


def measure(cluster: Cluster, webhook: Webhook, namespaces: list[str]) -> dict[str, Any]:
    """Measures one webhook from its start to its end."""
    started = time.monotonic()
    webhook.start(within=300)
    results: dict[str, Any] = {"ready_s": time.monotonic() - started}
    pid = webhook.process.pid
    known = webhook.metrics()["pod_identity_webhook_cache_service_accounts"]
    if known < ACCOUNTS:
        raise SystemExit(f"bench: the webhook is ready but knows only {known:g} ServiceAccounts")
    results |= {"ready_rss_mb": memory(pid, "VmRSS"), "ready_peak_mb": memory(pid, "VmHWM")}
    results["list_s"] = listed(webhook)[-1]
    results["relist_s"] = [relist(cluster, webhook) for _ in range(RELISTS)]
    results |= {"relisted_rss_mb": memory(pid, "VmRSS"), "relisted_peak_mb": memory(pid, "VmHWM")}
    results |= events(cluster, webhook, namespaces)
    results |= reviews(webhook, namespaces[0])
    return results | {"end_rss_mb": memory(pid, "VmRSS"), "end_peak_mb": memory(pid, "VmHWM")}


def fill(cluster: Cluster) -> list[str]:
    """Creates the ServiceAccounts; returns their namespaces."""
    namespaces = [f"team-{number:04}" for number in range(-(-ACCOUNTS // IN_A_NAMESPACE))]
    for name in (MODELS, *namespaces):
        cluster.admin.create("/api/v1/namespaces", {"metadata": {"name": name}})
    with_role, without = (model(cluster, number, role) for number, role in enumerate((ROLE, None)))

    def put(numbers: range) -> None:
        operations = []
        for number in numbers:
            namespace, name = namespaces[number // IN_A_NAMESPACE], account_name(number)
            value = (with_role if has_role(number) else without)(namespace, name)
            operations.append({"requestPut": {"key": encoded(key_of(namespace, name)), "value": encoded(value)}})
        cluster.etcd_call("/v3/kv/txn", {"success": operations})

    with ThreadPoolExecutor(WRITERS) as pool:
        starts = range(0, ACCOUNTS, TRANSACTION)
        list(pool.map(lambda start: put(range(start, min(start + TRANSACTION, ACCOUNTS))), starts))
    return namespaces


def model(cluster: Cluster, number: int, role: str | None) -> Callable[[str, str], bytes]:
    """Returns a function that makes a copy, as etcd stores it. Namespace and name must be as long as the originals."""
    name = account_name(number)
    made = cluster.admin.create(service_accounts(MODELS), service_account(name, role))
    answer = cluster.etcd_call("/v3/kv/range", {"key": encoded(key_of(MODELS, name))})
    kept = base64.b64decode(answer["kvs"][0]["value"])
    cluster.admin.delete(f"{service_accounts(MODELS)}/{name}")

    def copy(to_namespace: str, to_name: str) -> bytes:
        value = kept
        changes = ((MODELS, to_namespace), (name, to_name), (made["metadata"]["uid"], str(uuid.uuid4())))
        for old, new in changes:
            # Protocol buffers store the length of each text, so the lengths must not change.
            if len(old) != len(new) or value.count(old.encode()) != 1:
                raise SystemExit(f"bench: {old!r} cannot become {new!r} in {value!r}")
            value = value.replace(old.encode(), new.encode())
        return value

    return copy


def account_name(number: int) -> str:
    """The name of the ServiceAccount with this number."""
    return f"app-{number:06}"


def has_role(number: int) -> bool:
    """Whether the ServiceAccount with this number has a role: every tenth has."""
    return number % 10 == 0


def key_of(namespace: str, name: str) -> bytes:
    """The etcd key under which the API server stores a ServiceAccount."""
    return f"/registry/serviceaccounts/{namespace}/{name}".encode()


def encoded(value: bytes) -> str:
    """Bytes in base64, as etcd's gateway expects them."""
    return base64.b64encode(value).decode()


def relist(cluster: Cluster, webhook: Webhook) -> float:
    """Makes the webhook's resourceVersion expire, so that it lists again; returns how many seconds that list took."""
    before = len(listed(webhook))
    cluster.compact()
    cluster.restart_api_server()
    wait_until(lambda: len(listed(webhook)) > before, "the webhook to list again", within=300)
    return listed(webhook)[-1]


def listed(webhook: Webhook) -> list[float]:
    """How many seconds each list of the ServiceAccounts took."""
    return [float(text) for text in re.findall(r"serviceaccounts: listed in ([\d.]+) s", webhook.process.log_text())]


def events(cluster: Cluster, webhook: Webhook, namespaces: list[str]) -> dict[str, float]:
    """The webhook's CPU time for each watch event in µs, and the events per second."""
    numbers = [number for number in range(ACCOUNTS) if has_role(number)]

    def patch(number: int, role: str) -> None:
        path = f"{service_accounts(namespaces[number // IN_A_NAMESPACE])}/{account_name(number)}"
        cluster.admin.patch(path, {"metadata": {"annotations": {ROLE_ANNOTATION: role}}})

    before, started = cpu_seconds(webhook.process.pid), time.monotonic()
    with ThreadPoolExecutor(PATCHED_AT_ONCE) as pool:
        list(pool.map(lambda turn: patch(numbers[turn % len(numbers)], f"{ROLE}-{turn}"), range(PATCHES)))
    patch(numbers[0], OTHER_ROLE)
    last = pod("app", account_name(numbers[0]))
    wait_until(lambda: webhook.review(namespaces[0], last).role == OTHER_ROLE, "the last event", within=60)
    used, took = cpu_seconds(webhook.process.pid) - before, time.monotonic() - started
    return {"event_cpu_us": used / PATCHES * 1e6, "events_per_second": PATCHES / took}


def reviews(webhook: Webhook, namespace: str) -> dict[str, dict[str, float]]:
    """Response time in ms of reviews, one after the other, with a live read and without."""

    def took(name: str) -> float:
        answer = webhook.review(namespace, pod("app", name))
        if answer.code != 200:
            raise SystemExit(f"bench: HTTP {answer.code}: {answer.message}")
        return answer.took * 1e3

    lookups = "pod_identity_webhook_service_account_lookup_duration_seconds_count"
    before = webhook.metrics()[lookups]
    cached = [took(account_name(0)) for _ in range(READS)]
    live = [took(f"unknown-{number}") for number in range(READS)]
    if webhook.metrics()[lookups] - before != READS:
        raise SystemExit("bench: the number of live reads differs from the number of unknown ServiceAccounts")
    return {"cached_ms": percentiles(cached), "live_read_ms": percentiles(live)}


def percentiles(values: list[float]) -> dict[str, float]:
    """The median and the 99th percentile."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98]}


def print_table(results: dict[str, Any] | str) -> None:
    """Prints the results for people, or what is missing."""
    if isinstance(results, str):
        print(f"\nSkipped the live cluster: {results}")
        return
    relists = " and ".join(f"{seconds:.1f}" for seconds in results["relist_s"])
    print(f"\n{'a live cluster':<34}{results['service_accounts']:10} ServiceAccounts")
    print(f"{'from start to ready':<34}{results['ready_s']:10.1f} s, including {results['list_s']:.1f} s for its list")
    print(f"{'further full lists':<34}{relists:>10} s")
    for name, when in (("ready", "ready"), ("relisted", "after listing again"), ("end", "at the end")):
        rss, peak = results[f"{name}_rss_mb"], results[f"{name}_peak_mb"]
        print(f"{f'memory, {when}':<34}{rss:10.1f} MB, peak {peak:.1f} MB")
    print(
        f"{'a watch event':<34}{results['event_cpu_us']:10.0f} µs of CPU, {results['events_per_second']:.0f} per second"
    )
    for name, what in (("cached_ms", "known account"), ("live_read_ms", "live read")):
        row = results[name]
        print(f"{f'review, {what}':<34}{row['p50']:10.2f} ms p50, {row['p99']:.2f} ms p99")
