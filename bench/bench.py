"""Measures the webhook in one run on one machine: see `make bench`.

It measures the decision alone, reviews over HTTPS compared with a floor (https.py), what a hostile client can cost
(attack.py), and, if the programs to run one are installed, a live cluster (cluster.py).
"""

import json
import shutil
import sys
import timeit
from collections.abc import Callable
from typing import Any, Final

import attack
import cluster
import https
import reviews

from webhook.admission.decision import answer, decide
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.review import parse
from webhook.admission.settings import Settings

_PODS: Final = {"small": "one container", "typical": "8.5 kB", "huge": "300 containers"}


def main() -> int:
    """Runs all measurements; prints the tables, then the JSON."""
    if shutil.which("wrk") is None:
        print("bench: the load generator wrk is missing; install it: apt-get install wrk", file=sys.stderr)
        return 2
    print("Measuring takes a minute or two ...", flush=True)
    results: dict[str, Any] = {"decision_us": pure_decisions()}
    results |= https.over_https()
    https.print_table(results)
    print_decisions(results["decision_us"])
    results["worst_reviews"], results["attack_mb"] = attack.worst_reviews(), attack.memory_under_attack()
    attack.print_tables(results["worst_reviews"], results["attack_mb"])
    live = cluster.in_a_cluster()
    cluster.print_table(live)
    if not isinstance(live, str):
        results["cluster"] = live
    print(f"\nThe same results as JSON:\n{json.dumps(results)}")
    return 0


def pure_decisions() -> dict[str, float]:
    """The time of the whole decision in microseconds, from the request's bytes to the answer's bytes."""
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


def print_decisions(results: dict[str, float]) -> None:
    """Prints the time of the decision alone for people."""
    print(f"\n{'decision alone, without HTTPS':<34}{'µs':>10}")
    for name, microseconds in results.items():
        print(f"{_PODS[name]:<34}{microseconds:10.1f}")


if __name__ == "__main__":
    sys.exit(main())
