"""The metrics of requests: those of the Go webhook under its names, and our own in base units.

`state.py` has the metrics of everything else: connections, certificate, files, cache and watches.
"""

import platform
from collections.abc import Callable
from typing import Final

from webhook import __version__
from webhook.admission.decision import REASONS, Decision
from webhook.server.metrics.exposition import (
    Computed,
    Distribution,
    Family,
    HistogramView,
    Metric,
    Observations,
    Sample,
    expose,
)

_MICROSECONDS: Final = 1e6

# Go's prometheus.ExponentialBuckets(125000, 2, 7).
_GO_BOUNDS: Final = tuple(125000.0 * 2**n for n in range(7))
# They must include Go's bounds.
_SECONDS_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
_LOOKUP_RESULTS: Final = ("found", "not_found", "failed")


class Metrics:
    """All metrics of one process. It creates the hot path's samples at start; they are 0 before the first request."""

    def __init__(self) -> None:
        labels = ("verb", "path")
        self._requests = Family("counter", "http_request_count", "Requests to /mutate.", (*labels, "code"))
        # One observation for each answer feeds the Go webhook's two metrics and ours.
        self._seconds = Distribution(labels, _SECONDS_BOUNDS)
        self._pods = Family(
            "counter", "pod_identity_webhook_pod_count", "Pods that were given an identity.", ("method",)
        )
        self._missing = Family(
            "counter", "pod_identity_webhook_missing_sa_count", "Pods whose ServiceAccount does not exist."
        )
        self._used = Family("gauge", "pod_identity_webhook_used", "1 once a pod was given an identity.")
        self._decisions = Family(
            "counter", "pod_identity_webhook_decisions_total", "Answers to well-formed reviews, by reason.", ("reason",)
        )
        self._lookups = Family(
            "counter",
            "pod_identity_webhook_service_account_lookups_total",
            "Where ServiceAccounts were found: known already (cache), or by a live read and how it ended.",
            ("source", "result"),
        )
        self._lookup_seconds = Distribution(bounds=_SECONDS_BOUNDS)
        self._metrics = self._exposed()
        self._by_reason = {reason: self._decisions.sample(reason) for reason in REASONS}
        self._by_method = {
            method: self._pods.sample(method) for method in ("sts_web_identity", "container_credentials")
        }
        self._is_used = self._used.sample()
        self._cached = self._lookups.sample("cache", "found")
        self._live = {result: self._lookups.sample("live", result) for result in _LOOKUP_RESULTS}
        self._by_request: dict[tuple[str, str, int], tuple[Sample, Observations]] = {}
        self._waited = self._lookup_seconds.sample()
        self._request("/mutate", "POST", 200)

    def _exposed(self) -> list[Metric]:
        """The metrics in the order of the page."""
        microseconds = "Time to answer requests to /mutate, in microseconds."
        build = Family(
            "gauge",
            "pod_identity_webhook_build_info",
            "1, with the running versions as labels.",
            ("version", "python_version"),
        )
        build.sample(__version__, platform.python_version()).value = 1
        return [
            self._requests,
            HistogramView(self._seconds, "http_request_latencies", microseconds, _GO_BOUNDS, factor=_MICROSECONDS),
            HistogramView(self._seconds, "http_request_duration_microseconds", microseconds, factor=_MICROSECONDS),
            self._pods,
            self._missing,
            self._used,
            HistogramView(
                self._seconds,
                "pod_identity_webhook_request_duration_seconds",
                "Time to answer requests to /mutate, in seconds.",
                _SECONDS_BOUNDS,
                merged=True,
            ),
            self._decisions,
            self._lookups,
            HistogramView(
                self._lookup_seconds,
                "pod_identity_webhook_service_account_lookup_duration_seconds",
                "Time that pods waited for a live read of their ServiceAccount, in seconds.",
                _SECONDS_BOUNDS,
            ),
            build,
        ]

    def add(self, metric: Metric) -> None:
        """Adds a metric to the page."""
        self._metrics.append(metric)

    def add_computed(
        self, name: str, help_text: str, value: Callable[[], float | None], *, kind: str = "gauge"
    ) -> None:
        """Adds a metric without labels; calls `value` at each scrape, and leaves the sample out if it returns None."""
        self.add(Computed(f"pod_identity_webhook_{name}", help_text, value, kind))

    def expose(self) -> str:
        """Returns the page in text format 0.0.4."""
        return expose(self._metrics)

    def _request(self, path: str, verb: str, code: int) -> tuple[Sample, Observations]:
        """Returns the samples for requests with this path, verb and code."""
        # A client may send any word as a method: do not let it grow our memory.
        verb = verb if verb in _METHODS else "OTHER"
        if (path, verb, code) not in self._by_request:
            samples = self._requests.sample(verb, path, str(code)), self._seconds.sample(verb, path)
            self._by_request[path, verb, code] = samples
        return self._by_request[path, verb, code]

    def answered(self, path: str, verb: str, code: int, seconds: float) -> None:
        """Counts an answer of an endpoint, and the time that it took."""
        count, times = self._by_request.get((path, verb, code)) or self._request(path, verb, code)
        count.value += 1
        times.observe(seconds)

    def decided(self, decision: Decision) -> None:
        """Counts a decision by its reason."""
        self._by_reason[decision.reason].value += 1
        if decision.operations and decision.method is not None:
            self._by_method[decision.method].value += 1
            self._is_used.value = 1
        elif decision.reason == "service_account_not_found":
            self._missing.sample().value += 1

    def found_in_cache(self) -> None:
        """Counts a ServiceAccount that the cache had."""
        self._cached.value += 1

    def looked_up(self, result: str, seconds: float) -> None:
        """Counts a live read; `result` is found, not_found or failed."""
        self._live[result].value += 1
        self._waited.observe(seconds)
