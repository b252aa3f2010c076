"""Metrics in the Prometheus text format 0.0.4, without a client library.

Dashboards for the Go webhook expect names that today's client libraries cannot produce: these would append `_total` to
counters, add `_created`, and print `le="125000.0"`. The format is simple, and counting on the hot path is only one
addition to a sample that the caller holds.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Protocol

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metric(Protocol):
    """A metric family that can print itself."""

    def lines(self) -> Iterator[str]:
        """Yields HELP, TYPE and the samples."""


class Sample:
    """One sample of a counter or gauge; callers on the hot path keep it."""

    __slots__ = ("value",)

    def __init__(self, value: float = 0) -> None:
        self.value = value


class Family:
    """A counter or a gauge, with a sample for each combination of label values."""

    def __init__(self, kind: str, name: str, help_text: str, labels: tuple[str, ...] = ()) -> None:
        self._kind, self._name, self._help, self._labels = kind, name, help_text, labels
        self._samples: dict[tuple[str, ...], Sample] = {}
        if not labels:
            self._samples[()] = Sample()

    def sample(self, *values: str) -> Sample:
        """Returns the sample with these label values, and creates it if it is new."""
        found = self._samples.get(values)
        if found is None:
            found = self._samples[values] = Sample()
        return found

    def lines(self) -> Iterator[str]:
        """Yields HELP, TYPE and the samples."""
        yield from _head(self._kind, self._name, self._help)
        for values, sample in self._samples.items():
            yield f"{self._name}{_labels(self._labels, values)} {_number(sample.value)}"


class Computed:
    """A metric without labels; calls `value` at each scrape, and leaves the sample out if it returns None."""

    def __init__(self, name: str, help_text: str, value: Callable[[], float | None], kind: str = "gauge") -> None:
        self._name, self._help, self._value, self._kind = name, help_text, value, kind

    def lines(self) -> Iterator[str]:
        """Yields HELP, TYPE and the sample."""
        yield from _head(self._kind, self._name, self._help)
        value = self._value()
        if value is not None:
            yield f"{self._name} {_number(value)}"


class ComputedBy:
    """A counter or gauge with one label; calls `values` at each scrape, which returns the values by label."""

    def __init__(
        self, kind: str, name: str, help_text: str, label: str, values: Callable[[], Mapping[str, float]]
    ) -> None:
        self._kind, self._name, self._help, self._label, self._values = kind, name, help_text, label, values

    def lines(self) -> Iterator[str]:
        """Yields HELP, TYPE and the samples."""
        yield from _head(self._kind, self._name, self._help)
        for label, value in self._values().items():
            yield f"{self._name}{_labels((self._label,), (label,))} {_number(value)}"


class Observations:
    """Observations with the same label values, counted in buckets."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Counts one observation."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class Distribution:
    """Observations for each combination of label values; a `HistogramView` exposes them."""

    def __init__(self, labels: tuple[str, ...] = (), bounds: tuple[float, ...] = ()) -> None:
        self.labels, self.bounds = labels, bounds
        self.observations: dict[tuple[str, ...], Observations] = {}

    def sample(self, *values: str) -> Observations:
        """Returns the observations with these label values, and creates them if they are new."""
        found = self.observations.get(values)
        if found is None:
            found = self.observations[values] = Observations(self.bounds)
        return found


class HistogramView:
    """Exposes a distribution as a histogram in another unit, with all values multiplied by `factor`.

    `bounds` are in the unit of the view; each must match a bound of the distribution. Without bounds, the view is a
    summary without quantiles. `merged` adds up all label values and shows no labels.
    """

    def __init__(
        self,
        source: Distribution,
        name: str,
        help_text: str,
        bounds: tuple[float, ...] = (),
        *,
        factor: float = 1,
        merged: bool = False,
    ) -> None:
        self._source, self._name, self._help, self._bounds = source, name, help_text, bounds
        self._factor, self._merged = factor, merged
        self._ends = [source.bounds.index(bound / factor) + 1 for bound in bounds]

    def lines(self) -> Iterator[str]:
        """Yields HELP, TYPE and the samples."""
        yield from _head("histogram" if self._bounds else "summary", self._name, self._help)
        labels, source = self._source.labels, self._source.observations
        if self._merged:
            labels, source = (), {(): _merged(self._source.bounds, source.values())}
        for values, seen in source.items():
            for bound, end in zip(self._bounds, self._ends, strict=True):
                bucket = _labels((*labels, "le"), (*values, _number(bound)))
                yield f"{self._name}_bucket{bucket} {sum(seen.counts[:end])}"
            total = sum(seen.counts)
            if self._bounds:
                yield f"{self._name}_bucket{_labels((*labels, 'le'), (*values, '+Inf'))} {total}"
            yield f"{self._name}_sum{_labels(labels, values)} {_number(seen.sum * self._factor)}"
            yield f"{self._name}_count{_labels(labels, values)} {total}"


def _merged(bounds: tuple[float, ...], parts: Iterable[Observations]) -> Observations:
    whole = Observations(bounds)
    for part in parts:
        whole.counts = [mine + its for mine, its in zip(whole.counts, part.counts, strict=True)]
        whole.sum += part.sum
    return whole


def expose(metrics: list[Metric]) -> str:
    """Returns the page with all metrics."""
    return "\n".join(line for metric in metrics for line in metric.lines()) + "\n"


def _head(kind: str, name: str, help_text: str) -> tuple[str, str]:
    return f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    if not names:
        return ""
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
