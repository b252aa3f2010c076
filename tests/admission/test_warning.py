"""Warnings fit into an HTTP header and into the API server's limits."""

import pytest

from webhook.admission.warning import MAX_LENGTH, MAX_TOTAL, bounded, quoted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", '""'),
        ("app", '"app"'),
        ("a b", '"a b"'),
        ("x" * 40, '"' + "x" * 40 + '"'),
        ("x" * 41, '"' + "x" * 37 + '..."'),
        ("a\nb\r\tc", '"a\\x0ab\\x0d\\x09c"'),
        ("\x00\x1b\x7f", '"\\x00\\x1b\\x7f"'),
        ("é東🚀", '"\\xe9\\u6771\\U0001f680"'),
        ("é\n", '"\\xe9\\x0a"'),
        ("\u2028", '"\\u2028"'),
    ],
)
def test_a_quoted_text_is_short_and_printable_ascii(text: str, expected: str) -> None:
    assert quoted(text) == expected


def test_a_warning_of_256_characters_stays_whole_and_a_longer_one_is_cut() -> None:
    assert MAX_LENGTH == 256
    assert bounded(["w" * 256, "v" * 257]) == ["w" * 256, "v" * 253 + "..."]


def test_a_warning_is_cut_by_its_escaped_length() -> None:
    assert bounded(["é" * 65]) == [("\\xe9" * 65)[:253] + "..."]


def test_the_same_warning_is_given_once() -> None:
    assert bounded(["a", "b", "a"]) == ["a", "b"]


def test_warnings_that_are_cut_to_the_same_text_are_given_once() -> None:
    assert bounded(["w" * 300 + "1", "w" * 300 + "2"]) == ["w" * 253 + "..."]


def test_no_warnings_stay_none() -> None:
    assert bounded([]) == []


def test_all_that_fit_are_kept() -> None:
    warnings = [f"{n:04}" + "w" * 96 for n in range(MAX_TOTAL // 100)]
    assert bounded(warnings) == warnings


def test_if_there_are_too_many_the_last_says_how_many_are_left_out() -> None:
    warnings = [f"{n:04}" + "w" * 96 for n in range(MAX_TOTAL // 100 + 7)]
    kept = bounded(warnings)
    assert kept == [*warnings[: MAX_TOTAL // 100], "7 more warnings of this kind left out"]
    assert sum(map(len, kept)) < 4096
