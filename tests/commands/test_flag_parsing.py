"""How flags and their variables are spelled, and what is wrong with those that cannot be read."""

import pytest

from webhook.commands.flags.flag import Flag
from webhook.commands.flags.parsing import parse, unknown_variables

TABLE = (
    Flag("text", "string", "some", "a text", "G"),
    Flag("a-long-name", "string", "", "a text", "G"),
    Flag("on", "bool", "false", "a bool", "G"),
    Flag("off", "bool", "true", "a bool", "G"),
    Flag("count", "int", "0", "an integer", "G"),
    Flag("wait", "duration", "1s", "a duration", "G"),
    Flag("port", "port", "443", "a port", "G"),
    Flag("colour", "string", "red", "a choice", "G", choices=("red", "blue")),
    Flag("v", "int", "0", "verbosity", "G", short="v"),
    Flag("yes", "bool", "false", "consents", "G", consent=True),
    Flag("file", "list", "", "files", "G", repeatable=True),
)


SPELLINGS = {
    "a blank before the value": (["--text", "x"], "text", "x"),
    "an equals sign before the value": (["--text=x"], "text", "x"),
    "an equals sign in the value": (["--text=a=b"], "text", "a=b"),
    "an empty value after the equals sign": (["--text="], "text", ""),
    "an empty argument as the value": (["--text", ""], "text", ""),
    "a value that looks like a flag": (["--text", "--on"], "text", "--on"),
    "dashes": (["--a-long-name=x"], "a_long_name", "x"),
    "underscores": (["--a_long_name=x"], "a_long_name", "x"),
    "both": (["--a_long-name", "x_y"], "a_long_name", "x_y"),
    "a bool without value": (["--on"], "on", True),
    "a bool with a value": (["--off=false"], "off", False),
    "a bool as Go writes it": (["--on=T"], "on", True),
    "a negative integer": (["--count", "-3"], "count", -3),
    "an integer with a sign": (["--count=+3"], "count", 3),
    "the largest integer": (["--count=9223372036854775807"], "count", 2**63 - 1),
    "a short flag with an equals sign": (["-v=3"], "v", 3),
    "a short flag with a blank": (["-v", "3"], "v", 3),
    "a short flag with neither": (["-v3"], "v", 3),
    "a short flag spelled long": (["--v", "3"], "v", 3),
    "a duration in milliseconds": (["--wait=100ms"], "wait", 0.1),
    "a duration of several units": (["--wait=1m30s"], "wait", 90.0),
    "a duration of zero": (["--wait=0"], "wait", 0.0),
    "a duration with a fraction": (["--wait=1.5h"], "wait", 5400.0),
    "the same flag again: the last wins": (["--text=a", "--text", "b"], "text", "b"),
    "the same flag, spelled otherwise: the last wins": (["--a-long-name=a", "--a_long_name=b"], "a_long_name", "b"),
    "a short flag after its long spelling: the last wins": (["--v=1", "-v2"], "v", 2),
    "a choice": (["--colour=blue"], "colour", "blue"),
    "a repeatable flag: each use is a member": (["--file=a", "--file", "b,c"], "file", ("a", "b,c")),
    "any port": (["--port=0"], "port", 0),
}


@pytest.mark.parametrize(("argv", "field", "value"), SPELLINGS.values(), ids=SPELLINGS)
def test_a_flag_may_be_spelled_with(argv: list[str], field: str, value: object) -> None:
    parsed = parse(TABLE, argv, {})

    assert parsed.problems == []
    assert parsed.values[field] == value
    assert type(parsed.values[field]) is type(value)
    assert parsed.given == {field}
    assert parsed.positionals == []


def test_words_that_are_not_flags_are_positionals_in_order() -> None:
    parsed = parse(TABLE, ["a", "--on", "b", "-", "--text", "x", "--", "--on=maybe", "--", "-v"], {})

    assert parsed.problems == []
    assert parsed.positionals == ["a", "b", "-", "--on=maybe", "--", "-v"]
    assert parsed.given == {"on", "text"}


PROBLEMS = {
    "a flag that we do not have": (["--nothing-like-it"], "--nothing-like-it: no such flag"),
    "a typing error": (["--a-long-nane=x"], "--a-long-nane: no such flag; did you mean --a-long-name?"),
    "a short flag that we do not have": (["-x"], "-x: no such flag"),
    "a value that is missing": (["--text"], "--text: needs a value"),
    "a short flag's value that is missing": (["-v"], "-v: needs a value"),
    "a bool that is none": (["--on=yes"], "--on: 'yes' is not a bool (true or false)"),
    "a bool that is empty": (["--on="], "--on: '' is not a bool (true or false)"),
    "an integer with a blank": (["--count= 3"], "--count: ' 3' is not an integer"),
    "an integer with an underscore": (["--count=1_000"], "--count: '1_000' is not an integer"),
    "an integer in other digits": (["--count=٣"], "--count: '٣' is not an integer"),
    "an integer beyond 64 bits": (
        ["--count=9223372036854775808"],
        "--count: '9223372036854775808' is not an integer",
    ),
    "a short flag's integer": (["-vx"], "-v: 'x' is not an integer"),
    "a duration without unit": (["--wait=5"], "--wait: '5' is not a duration such as 100ms or 1m30s"),
    "a duration below zero": (["--wait=-1s"], "--wait: '-1s' is not a duration such as 100ms or 1m30s"),
    "a port beyond the last": (["--port=65536"], "--port: '65536' is not a port (0 to 65535)"),
    "a choice that is none": (["--colour=green"], "--colour: 'green' is not one of red, blue"),
}


@pytest.mark.parametrize(("argv", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_line_says_what_is_wrong_with(argv: list[str], problem: str) -> None:
    assert parse(TABLE, argv, {}).problems == [problem]


def test_all_problems_are_reported_together_including_those_of_the_environment() -> None:
    parsed = parse(TABLE, ["--bogus", "--on=x", "--port", "y"], {"PIW_COUNT": "z"})

    assert parsed.problems == [
        "--bogus: no such flag",
        "--on: 'x' is not a bool (true or false)",
        "PIW_COUNT: 'z' is not an integer",
        "--port: 'y' is not a port (0 to 65535)",
    ]


def test_an_environment_variable_sets_a_flag() -> None:
    parsed = parse(TABLE, [], {"PIW_A_LONG_NAME": "x", "PIW_ON": "1", "PIW_V": "4"})

    assert (parsed.values["a_long_name"], parsed.values["on"], parsed.values["v"]) == ("x", True, 4)
    assert parsed.given == {"a_long_name", "on", "v"}


def test_a_flag_overrides_its_variable_even_if_the_flag_is_empty() -> None:
    assert parse(TABLE, ["--text=flag"], {"PIW_TEXT": "variable"}).values["text"] == "flag"
    assert parse(TABLE, ["--text="], {"PIW_TEXT": "variable"}).values["text"] == ""


def test_an_empty_variable_counts_as_unset() -> None:
    parsed = parse(TABLE, [], {"PIW_TEXT": "", "PIW_ON": "", "PIW_PORT": ""})

    assert (parsed.values["text"], parsed.values["on"], parsed.values["port"]) == ("some", False, 443)
    assert (parsed.given, parsed.problems) == (set(), [])


def test_an_overridden_variable_may_be_invalid() -> None:
    assert parse(TABLE, ["--count=1"], {"PIW_COUNT": "x"}).problems == []


def test_variables_with_our_prefix_that_set_no_flag_are_reported() -> None:
    environ = {"PIW_TEXT": "a", "PIW_TXET": "a", "PIW_": "a", "POD_IDENTITY_WEBHOOK_PORT": "tcp://10.0.0.1:443"}

    assert unknown_variables(TABLE, environ) == ["PIW_", "PIW_TXET"]


def test_only_the_command_line_consents() -> None:
    environ = {"PIW_YES": "true", "": "true"}

    assert parse(TABLE, [], environ).values["yes"] is False
    assert unknown_variables(TABLE, environ) == ["PIW_YES"]
    assert parse(TABLE, ["--yes"], {}).values["yes"] is True
