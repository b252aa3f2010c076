import pytest

from webhook.server.exposition import Computed, Distribution, Family, Metric, expose


def test_a_counter_shows_each_combination_of_label_values() -> None:
    family = Family("counter", "calls", "Calls.", ("verb", "code"))
    family.slot("GET", "200").value += 2
    family.slot("PUT", "405").value += 1
    assert family.slot("GET", "200") is family.slot("GET", "200")
    assert expose([family]) == (
        '# HELP calls Calls.\n# TYPE calls counter\ncalls{verb="GET",code="200"} 2\ncalls{verb="PUT",code="405"} 1\n'
    )


def test_a_metric_without_labels_reads_zero_from_the_start() -> None:
    assert expose([Family("gauge", "used", "Used.")]) == "# HELP used Used.\n# TYPE used gauge\nused 0\n"


def test_a_histogram_counts_up_to_each_bound_and_includes_it() -> None:
    histogram = Distribution("took", "Time.", ("verb",), (1.0, 2.5))
    for value in (0.5, 1.0, 2.0, 7.25):
        histogram.slot("GET").observe(value)
    assert expose([histogram]) == (
        "# HELP took Time.\n"
        "# TYPE took histogram\n"
        'took_bucket{verb="GET",le="1"} 2\n'
        'took_bucket{verb="GET",le="2.5"} 3\n'
        'took_bucket{verb="GET",le="+Inf"} 4\n'
        'took_sum{verb="GET"} 10.75\n'
        'took_count{verb="GET"} 4\n'
    )


def test_a_distribution_without_bounds_is_a_summary() -> None:
    summary = Distribution("took", "Time.")
    summary.slot().observe(0.5)
    assert expose([summary]) == "# HELP took Time.\n# TYPE took summary\ntook_sum 0.5\ntook_count 1\n"


def test_label_values_are_escaped() -> None:
    family = Family("gauge", "info", "Info.", ("text",))
    family.slot('a"b\\c\nd').value = 1
    assert expose([family]).splitlines()[-1] == 'info{text="a\\"b\\\\c\\nd"} 1'


@pytest.mark.parametrize(("value", "sample"), [(3, ["age 3"]), (0.25, ["age 0.25"]), (None, [])])
def test_a_computed_value_is_asked_for_and_may_be_left_out(value: float | None, sample: list[str]) -> None:
    metrics: list[Metric] = [Computed("age", "Age.", lambda: value)]
    assert expose(metrics).splitlines() == ["# HELP age Age.", "# TYPE age gauge", *sample]


@pytest.mark.parametrize(
    ("value", "shown"), [(125000.0, "125000"), (1e16, "10000000000000000"), (1e-7, "1e-07"), (float("inf"), "inf")]
)
def test_numbers_are_whole_where_they_can_be(value: float, shown: str) -> None:
    family = Family("gauge", "x", "X.")
    family.slot().value = value
    assert expose([family]).splitlines()[-1] == f"x {shown}"
