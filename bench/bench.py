"""Measures the webhook in one run on one machine, beside a floor: see `make bench`.

Speed over HTTPS is a ratio to the floor (floor.py: the same listener and TLS, no decision), the two taken in turns, so
that a noisy machine disturbs both alike. BENCH_SECONDS is the length of each measurement (default 5), BENCH_ROUNDS how
many of each are taken (default 3): the median counts.
"""

import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import reviews

from webhook.admission.decision import answer, decide
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.review import parse
from webhook.admission.settings import Settings

HERE = Path(__file__).parent
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
CONNECTIONS = 16

LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Connection"] = "{connection}"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
"""


@dataclass(frozen=True)
class Load:
    """What was seen in one measurement.

    Answers a second, latencies in ms, answers that were no 200, and the server's CPU time for each answer in µs, which
    what else runs on the machine disturbs less.
    """

    per_second: float
    cpu_us: float
    p50: float
    p99: float
    failed: int


def main() -> int:
    """Runs everything, prints the table and then the JSON."""
    if shutil.which("wrk") is None:
        print("bench: the load generator wrk is missing: apt-get install wrk", file=sys.stderr)
        return 2
    results: dict[str, Any] = {"decision_us": pure_decisions()}
    results |= over_https()
    print_table(results)
    print(json.dumps(results))
    return 0


def pure_decisions() -> dict[str, float]:
    """The whole pure decision, from the request's bytes to the answer's, in microseconds."""
    account = ServiceAccount(reviews.NAMESPACE, reviews.SERVICE_ACCOUNT, {"role-arn": reviews.ROLE_ARN})
    settings, sources = Settings(), Sources()

    def run(body: bytes) -> Callable[[], bytes]:
        def once() -> bytes:
            review = parse(body)
            return answer(review, decide(review, account, sources, settings))

        return once

    results = {}
    for make in (reviews.small, reviews.typical, reviews.huge):
        timer = timeit.Timer(run(make()))
        number, _ = timer.autorange()
        results[make.__name__] = min(timer.repeat(5, number)) / number * 1e6
    return results


def over_https() -> dict[str, Any]:
    """Webhook and floor over HTTPS in turns, kept-alive and with a new connection for each review; memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "body.json").write_bytes(reviews.typical())
        for connection in ("keep-alive", "close"):
            script = LUA.format(connection=connection, body=folder / "body.json")
            (folder / f"{connection}.lua").write_text(script)
        with webhook(folder) as (port, process), floor(folder) as (floor_port, floor_process):
            results: dict[str, Any] = {"rss_start_mb": memory(process.pid, "VmRSS")}
            for connection in ("keep-alive", "close"):
                script_file = folder / f"{connection}.lua"
                loads = [
                    (load(port, process.pid, script_file), load(floor_port, floor_process.pid, script_file))
                    for _ in range(ROUNDS)
                ]
                ours, floors = median([ours for ours, _ in loads]), median([floor for _, floor in loads])
                results[connection] = {
                    "webhook": asdict(ours),
                    "floor": asdict(floors),
                    "ratio": statistics.median(ours.per_second / floor.per_second for ours, floor in loads),
                    "cpu_ratio": statistics.median(floor.cpu_us / ours.cpu_us for ours, floor in loads),
                }
            results["rss_mb"], results["rss_peak_mb"] = memory(process.pid, "VmRSS"), memory(process.pid, "VmHWM")
            return results


@contextlib.contextmanager
def webhook(folder: Path) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    """The webhook as an admin runs it, on core 0."""
    manifest = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": reviews.SERVICE_ACCOUNT,
            "namespace": reviews.NAMESPACE,
            "annotations": {"eks.amazonaws.com/role-arn": reviews.ROLE_ARN},
        },
    }
    (folder / "accounts.json").write_text(json.dumps(manifest))
    command = [sys.executable, "-m", "webhook", "serve", "--bind-address=127.0.0.1", "--port=0", "--metrics-port=0"]
    command += [f"--service-accounts={folder / 'accounts.json'}", f"--ephemeral-certificate={folder}"]
    with running(command, stderr=subprocess.PIPE) as process:
        for line in process.stderr or ():
            found = re.search(r"https port (\d+)", line)
            if found:
                yield int(found[1]), process
                return
        raise SystemExit("bench: the webhook did not start")


@contextlib.contextmanager
def floor(folder: Path) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    """The floor, on core 0 too, with the webhook's certificate."""
    command = [sys.executable, str(HERE / "floor.py"), str(folder / "tls.crt"), str(folder / "tls.key")]
    with running(command, stdout=subprocess.PIPE) as process:
        yield int(process.stdout.readline() if process.stdout else 0), process


@contextlib.contextmanager
def running(command: list[str], **pipes: int) -> Iterator["subprocess.Popen[str]"]:
    """A server on core 0, killed at the end."""
    with subprocess.Popen([*pinned(0), *command], text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def pinned(core: int) -> list[str]:
    """The start of a command that runs on one core, where there are two and taskset is there."""
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core])] if len(cores) > 1 and shutil.which("taskset") else []


def load(port: int, pid: int, script: Path) -> Load:
    """One measurement of the server `pid` with wrk, from core 1."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS:g}s", "--latency", "-s", str(script)]
    command.append(f"https://127.0.0.1:{port}/mutate?timeout=10s")
    before = cpu_seconds(pid)
    out = subprocess.run([*pinned(1), *command], check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(pid) - before
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    # With `Connection: close` wrk counts the end of each connection as a read error: not a failure then.
    socket_errors = sum(map(int, errors.groups())) if errors and "close" not in script.name else 0
    return Load(
        per_second=float(_found(r"Requests/sec:\s+([\d.]+)", out)),
        cpu_us=used / int(_found(r"(\d+) requests in", out)) * 1e6,
        p50=_ms(_found(r"(?m)^\s+50%\s+(\S+)", out)),
        p99=_ms(_found(r"(?m)^\s+99%\s+(\S+)", out)),
        failed=int(bad[1] if bad else 0) + socket_errors,
    )


def median(loads: list[Load]) -> Load:
    """Each figure's median; the failures of all."""
    return Load(
        statistics.median(load.per_second for load in loads),
        statistics.median(load.cpu_us for load in loads),
        statistics.median(load.p50 for load in loads),
        statistics.median(load.p99 for load in loads),
        sum(load.failed for load in loads),
    )


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used (proc(5): stat, utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int, field: str) -> float:
    """A figure of /proc/PID/status, in MB (10^6 bytes)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(_found(rf"{field}:\s+(\d+) kB", status)) * 1024 / 1e6


def print_table(results: dict[str, Any]) -> None:
    """The results for a person."""
    print(
        f"\n{'over HTTPS, typical review':<34}{'reviews/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>8}{'failed':>8}{'ratio':>7}{'by CPU':>8}"
    )
    for connection in ("keep-alive", "close"):
        what = f"{CONNECTIONS} connections" if connection == "keep-alive" else "new connection each"
        for who in ("webhook", "floor"):
            row = results[connection][who]
            ratios = f"{results[connection]['ratio']:7.2f}{results[connection]['cpu_ratio']:8.2f}"
            figures = (
                f"{row['per_second']:10.0f}{row['p50']:9.2f}{row['p99']:9.2f}{row['cpu_us']:8.0f}{row['failed']:8}"
            )
            print(f"{f'{who}, {what}':<34}{figures}{ratios if who == 'webhook' else ''}")
    print(f"\n{'pure decision':<34}{'µs':>10}")
    for name, microseconds in results["decision_us"].items():
        print(f"{name:<34}{microseconds:10.1f}")
    print(f"\n{'memory of the webhook':<34}{'MB':>10}")
    for name in ("rss_start_mb", "rss_mb", "rss_peak_mb"):
        print(f"{name.removesuffix('_mb'):<34}{results[name]:10.1f}")
    print()


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"bench: no {pattern!r} in:\n{text}")
    return match[1]


def _ms(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}[unit]


if __name__ == "__main__":
    sys.exit(main())
