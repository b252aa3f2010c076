"""Measures reviews over HTTPS with wrk, compared with a floor: the same listener and TLS, but no decision (floor.py).

Speed is a ratio to the floor. Measurements of webhook and floor alternate, so that a noisy machine disturbs both alike.
BENCH_SECONDS is the length of each measurement (default 5). BENCH_ROUNDS is the number of measurements of each
(default 3); the result is the median.
"""

import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import reviews
from processes import cpu_seconds, found, memory, pinned, running

HERE = Path(__file__).parent
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
CONNECTIONS = 16

# The load cycles through pods of this many Deployments, so that the webhook does not get the same review all the time.
DEPLOYMENTS = 100

LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Connection"] = "{connection}"
local requests, last = {{}}, 0
function init(args)
    for body in io.lines("{bodies}") do
        requests[#requests + 1] = wrk.format(nil, nil, nil, body)
    end
end
function request()
    last = last % #requests + 1
    return requests[last]
end
"""


@dataclass(frozen=True)
class Load:
    """The results of one measurement.

    Answers per second, the server's CPU time for each answer in µs, latencies in ms, and the number of failures. Other
    processes on the machine disturb the CPU time less than the rest.
    """

    per_second: float
    cpu_us: float
    p50: float
    p99: float
    failed: int


def over_https() -> dict[str, Any]:
    """Measures webhook and floor alternately, with keep-alive and with a new connection for each review; and memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bodies = folder / "bodies.jsonl"
        bodies.write_bytes(b"\n".join(reviews.typical(number) for number in range(DEPLOYMENTS)))
        for connection in ("keep-alive", "close"):
            script = LUA.format(connection=connection, bodies=bodies)
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
    """Runs the webhook as an admin would, on core 0."""
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
            port = re.search(r"https port (\d+)", line)
            if port:
                yield int(port[1]), process
                return
        raise SystemExit("bench: the webhook did not start")


@contextlib.contextmanager
def floor(folder: Path) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    """Runs the floor, also on core 0, with the webhook's certificate."""
    command = [sys.executable, str(HERE / "floor.py"), str(folder / "tls.crt"), str(folder / "tls.key")]
    with running(command, stdout=subprocess.PIPE) as process:
        yield int(process.stdout.readline() if process.stdout else 0), process


def load(port: int, pid: int, script: Path) -> Load:
    """Measures the server `pid` once, with wrk on core 1."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS:g}s", "--latency", "-s", str(script)]
    command.append(f"https://127.0.0.1:{port}/mutate?timeout=10s")
    before = cpu_seconds(pid)
    out = subprocess.run([*pinned(1), *command], check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(pid) - before
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    # With `Connection: close`, wrk counts the end of each connection as a read error. This is not a failure.
    socket_errors = sum(map(int, errors.groups())) if errors and "close" not in script.name else 0
    return Load(
        per_second=float(found(r"Requests/sec:\s+([\d.]+)", out)),
        cpu_us=used / int(found(r"(\d+) requests in", out)) * 1e6,
        p50=_ms(found(r"(?m)^\s+50%\s+(\S+)", out)),
        p99=_ms(found(r"(?m)^\s+99%\s+(\S+)", out)),
        failed=int(bad[1] if bad else 0) + socket_errors,
    )


def median(loads: list[Load]) -> Load:
    """The median of each figure; the sum of the failures."""
    return Load(
        statistics.median(load.per_second for load in loads),
        statistics.median(load.cpu_us for load in loads),
        statistics.median(load.p50 for load in loads),
        statistics.median(load.p99 for load in loads),
        sum(load.failed for load in loads),
    )


def print_table(results: dict[str, Any]) -> None:
    """Prints the results for people."""
    head = f"{'reviews/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>8}{'failed':>8}{'ratio':>7}{'by CPU':>8}"
    print(f"\n{'over HTTPS, typical review':<34}{head}")
    for connection in ("keep-alive", "close"):
        what = f"{CONNECTIONS} connections" if connection == "keep-alive" else "new connection each"
        for who in ("webhook", "floor"):
            row = results[connection][who]
            ratios = f"{results[connection]['ratio']:7.2f}{results[connection]['cpu_ratio']:8.2f}"
            figures = (
                f"{row['per_second']:10.0f}{row['p50']:9.2f}{row['p99']:9.2f}{row['cpu_us']:8.0f}{row['failed']:8}"
            )
            print(f"{f'{who}, {what}':<34}{figures}{ratios if who == 'webhook' else ''}")
    print(
        "The floor: the same listener and TLS, with an application that reads the body and gives a constant answer.\n"
        "ratio: the webhook's reviews/s divided by the floor's (1.00: deciding costs nothing; higher is better), the\n"
        f"median of {ROUNDS} pairs of measurements. by CPU: the same ratio for the server's CPU time for each review."
    )
    print(f"\n{'memory of the webhook':<34}{'MB':>10}")
    for name, when in (("rss_start_mb", "before the load"), ("rss_mb", "after the load"), ("rss_peak_mb", "peak")):
        print(f"{when:<34}{results[name]:10.1f}")


def _ms(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}[unit]
