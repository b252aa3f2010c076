import pytest

from webhook.server.metrics.exposition import Computed, Distribution, Family, HistogramView, Metric, expose


def test_a_counter_shows_each_combination_of_label_values() -> None:
    family = Family("counter", "calls", "Calls.", ("verb", "code"))
    family.sample("GET", "200").value += 2
    family.sample("PUT", "405").value += 1
    assert family.sample("GET", "200") is family.sample("GET", "200")
    assert expose([family]) == (
        '# HELP calls Calls.\n# TYPE calls counter\ncalls{verb="GET",code="200"} 2\ncalls{verb="PUT",code="405"} 1\n'
    )


def test_a_metric_without_labels_starts_at_zero() -> None:
    assert expose([Family("gauge", "used", "Used.")]) == "# HELP used Used.\n# TYPE used gauge\nused 0\n"


def test_the_bounds_of_a_histogram_are_inclusive() -> None:
    times = Distribution(("verb",), (1.0, 2.5))
    for value in (0.5, 1.0, 2.0, 7.25):
        times.sample("GET").observe(value)
    assert expose([HistogramView(times, "took", "Time.", (1.0, 2.5))]) == (
        "# HELP took Time.\n"
        "# TYPE took histogram\n"
        'took_bucket{verb="GET",le="1"} 2\n'
        'took_bucket{verb="GET",le="2.5"} 3\n'
        'took_bucket{verb="GET",le="+Inf"} 4\n'
        'took_sum{verb="GET"} 10.75\n'
        'took_count{verb="GET"} 4\n'
    )


def test_a_view_without_bounds_is_a_summary() -> None:
    times = Distribution(bounds=(1.0,))
    times.sample().observe(0.5)
    assert expose([HistogramView(times, "took", "Time.")]) == (
        "# HELP took Time.\n# TYPE took summary\ntook_sum 0.5\ntook_count 1\n"
    )


def test_a_view_can_change_the_unit_use_fewer_buckets_and_merge_labels() -> None:
    times = Distribution(("verb",), (0.5, 1.0, 2.5))
    for verb, value in (("GET", 0.5), ("PUT", 1.0), ("GET", 2.0)):
        times.sample(verb).observe(value)
    assert expose([HistogramView(times, "took", "Time in ms.", (1000.0, 2500.0), factor=1000, merged=True)]) == (
        "# HELP took Time in ms.\n"
        "# TYPE took histogram\n"
        'took_bucket{le="1000"} 2\n'
        'took_bucket{le="2500"} 3\n'
        'took_bucket{le="+Inf"} 3\n'
        "took_sum 3500\n"
        "took_count 3\n"
    )


def test_label_values_are_escaped() -> None:
    family = Family("gauge", "info", "Info.", ("text",))
    family.sample('a"b\\c\nd').value = 1
    assert expose([family]).splitlines()[-1] == 'info{text="a\\"b\\\\c\\nd"} 1'


@pytest.mark.parametrize(("value", "sample"), [(3, ["age 3"]), (0.25, ["age 0.25"]), (None, [])])
def test_a_computed_value_of_none_leaves_out_the_sample(value: float | None, sample: list[str]) -> None:
    metrics: list[Metric] = [Computed("age", "Age.", lambda: value)]
    assert expose(metrics).splitlines() == ["# HELP age Age.", "# TYPE age gauge", *sample]


@pytest.mark.parametrize(
    ("value", "shown"), [(125000.0, "125000"), (1e16, "10000000000000000"), (1e-7, "1e-07"), (float("inf"), "inf")]
)
def test_whole_numbers_have_no_decimal_point(value: float, shown: str) -> None:
    family = Family("gauge", "x", "X.")
    family.sample().value = value
    assert expose([family]).splitlines()[-1] == f"x {shown}"
