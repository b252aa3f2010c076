"""Measures what a hostile client can cost: the worst reviews of 7 MiB, and the memory that connections take.

Prints the chart's memory limit for comparison.
"""

import contextlib
import os
import socket
import ssl
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import https
import reviews
import yaml
from processes import memory

from tests.hostile.worst_reviews import MAX_BODY, SETTINGS, WORST, sized
from webhook.admission.decision import answer, decide
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.review import parse

_CHART: Final = yaml.safe_load(Path("charts/pod-identity-webhook/values.yaml").read_text(encoding="utf-8"))
LIMIT_MB: Final = int(_CHART["resources"]["limits"]["memory"].removesuffix("Mi")) * 1.048576
_CONNECTIONS: Final = 1000
_SHOWN: Final = 3
_HEAD: Final = b"POST /mutate HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_ANY_SERVER: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_ANY_SERVER.check_hostname = False
_ANY_SERVER.verify_mode = ssl.CERT_NONE
_ACCOUNT: Final = ServiceAccount("tenant", "app", {"role-arn": "arn:aws:iam::111122223333:role/app"})


def worst_reviews() -> dict[str, Any]:
    """CPU time in ms and memory in MB of the most expensive reviews of 7 MiB, and the CPU time of a typical review."""
    typical = min(_cost(reviews.typical())[0] for _ in range(50))
    costs = {name: _cost(sized(name, MAX_BODY)) for name in WORST}
    dearest = sorted(costs.items(), key=lambda item: -item[1][0])[:_SHOWN]
    return {
        "typical_ms": typical,
        "worst": {name: {"ms": ms, "mb": mb} for name, (ms, mb) in dearest},
        "most_mb": max(mb for _, mb in costs.values()),
    }


def _cost(body: bytes) -> tuple[float, float]:
    """The CPU time of one decision in ms, and how much it grew the process in MB."""
    pid = os.getpid()
    # On Linux, this resets the peak (VmHWM).
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before, started = memory(pid, "VmRSS"), time.process_time()
    review = parse(body)
    answer(review, decide(review, _ACCOUNT, Sources(), SETTINGS))
    return (time.process_time() - started) * 1e3, max(0.0, memory(pid, "VmHWM") - before)


def memory_under_attack() -> dict[str, float]:
    """The webhook's resident memory in MB during attacks over real TLS, and after their connections have closed."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, https.webhook(Path(name)) as (port, process):
        for what, count, sent in (
            ("1000 idle connections", _CONNECTIONS, 0),
            ("1000 bodies of 60 kB that stall", _CONNECTIONS, 60_000),
            ("1000 bodies of 600 kB that stall", _CONNECTIONS, 600_000),
            ("100 bodies of 7 MB that stall", 100, 6_900_000),
        ):
            with contextlib.ExitStack() as stack:
                for _ in range(count):
                    _stall(stack, port, sent)
                found[what] = memory(process.pid, "VmRSS")
        deadline = time.monotonic() + 10
        while memory(process.pid, "VmRSS") > 100 and time.monotonic() < deadline:
            time.sleep(0.2)
        found["after all of them have closed"] = memory(process.pid, "VmRSS")
        found["peak"] = memory(process.pid, "VmHWM")
    return found


def _stall(stack: contextlib.ExitStack, port: int, sent: int) -> None:
    """Opens a connection and starts a body of more than `sent` bytes. The webhook may close it in favor of another."""
    with contextlib.suppress(OSError):
        plain = socket.create_connection(("127.0.0.1", port), timeout=5)
        conn = stack.enter_context(_ANY_SERVER.wrap_socket(plain))
        if sent:
            conn.sendall(_HEAD % (sent + 100_000) + b" " * sent)


def print_tables(worst: dict[str, Any], held: dict[str, float]) -> None:
    """Prints both results for people."""
    print(f"\n{'the worst reviews of 7 MiB':<62}{'CPU ms':>8}{'MB':>8}")
    print(f"{'a typical review':<62}{worst['typical_ms']:8.3f}")
    for name, cost in worst["worst"].items():
        print(f"{name:<62}{cost['ms']:8.0f}{cost['mb']:8.0f}")
    print(f"{'peak memory of any of them':<70}{worst['most_mb']:8.0f}")
    print(f"\n{'memory under attack':<62}{'MB':>8}")
    for name, size in held.items():
        print(f"{name:<62}{size:8.0f}")
    print(f"{'memory limit in the chart':<62}{LIMIT_MB:8.0f}")
