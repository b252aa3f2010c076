"""Booleans, integers and durations mean what they mean to Go's strconv and time packages."""

import pytest

from webhook.admission.golang import parse_bool, parse_duration, parse_int


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_these_are_true(text: str) -> None:
    assert parse_bool(text) is True


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False"])
def test_these_are_false(text: str) -> None:
    assert parse_bool(text) is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tRUE",
        "TRue",
        "fALSE",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        " true",
        "true ",
        "true\n",
        "01",
        "-1",
        "+1",
        "\u0661",
        "1.0",
    ],
)
def test_anything_else_is_no_bool(text: str) -> None:
    assert parse_bool(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("+0", 0),
        ("007", 7),
        ("+3600", 3600),
        ("-3600", -3600),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("0" * 3000 + "1", 1),
    ],
)
def test_these_are_integers(text: str, value: int) -> None:
    assert parse_int(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "-",
        "+-1",
        "--1",
        "- 1",
        " 1",
        "1 ",
        "1\n",
        "\n1",
        "1\t",
        "1\x00",
        "1_000",
        "1,000",
        "1.0",
        "1e3",
        "0x10",
        "0b1",
        "1h",
        "\u0661\u0662",
        "\uff11",
        "\u00b2",
        "9223372036854775808",
        "-9223372036854775809",
        "9" * 5000,
    ],
)
def test_anything_else_is_no_integer(text: str) -> None:
    assert parse_int(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("100ms", 0.1),
        ("1m30s", 90.0),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("-2s", -2.0),
        ("+2s", 2.0),
        ("1us", 1e-6),
        ("1\u00b5s", 1e-6),
        ("1\u03bcs", 1e-6),
        ("1ns", 1e-9),
    ],
)
def test_these_are_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "-", "s", ".s", "1 s", "1s ", "1s\n", "1d", "1S", "\u0661s", "1m30", "1e3s", "--1s"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None
