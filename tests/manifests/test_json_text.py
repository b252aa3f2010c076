import json
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.manifests.json_text import MAX_DEPTH, MalformedText, parse_json

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda members: st.lists(members, max_size=4) | st.dictionaries(st.text(), members, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        (" \r\n\t", []),
        ('{"a": 1}', [(1, {"a": 1})]),
        ('{"a": 1}{"b": 2} [3]', [(1, {"a": 1}), (1, {"b": 2}), (1, [3])]),
        ('\n{\n"a": 1\n}\n\n{"b": 2}\n', [(2, {"a": 1}), (6, {"b": 2})]),
        ('{"a": 1, "a": 2}', [(1, {"a": 2})]),
        ('"\\ud83d\\ude00"', [(1, "\U0001f600")]),
        ("9223372036854775807", [(1, 9223372036854775807)]),
        ("-9223372036854775808", [(1, -9223372036854775808)]),
        ("9223372036854775808", [(1, 9223372036854775808.0)]),
        ("1" + "0" * 300, [(1, 1e300)]),
    ],
)
def test_values_come_with_their_lines(text: str, values: list[Any]) -> None:
    found = list(parse_json(text))
    assert found == values
    assert [type(value) for _, value in found] == [type(value) for _, value in values]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('{"a": 1}\n{"a": }', 2, "not JSON: Expecting value (column 7)"),
        ('{"a": 1}\n---\n{}', 2, "not JSON: Expecting value (column 1)"),
        ('{"a": "\t"}', 1, "not JSON: Invalid control character at (column 8)"),
        ("[\nNaN]", 1, "not JSON: NaN is not allowed"),
        ("\n[-Infinity]", 2, "not JSON: -Infinity is not allowed"),
        ('{"a": 1}\n\n[1e999]', 3, "not JSON: a number is out of range"),
        ("9" * 5000, 1, "not JSON: a number is out of range"),
        ('{}\n["\\ud83d"]', 2, "not JSON: \\u escape of a lone surrogate"),
        ('{"\\uDE00": 1}', 1, "not JSON: \\u escape of a lone surrogate"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), 1, "nested too deeply"),
        ('{}\n{"a": ' + "[" * 100_000, 2, "nested too deeply"),
    ],
)
def test_text_that_is_not_json_is_an_error_with_the_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(MalformedText) as raised:
        list(parse_json(text))
    assert (raised.value.line, raised.value.problem) == (line, problem)
    assert str(raised.value) == f"line {line}: {problem}"


def test_the_deepest_nesting_that_can_be_read_can_be_written() -> None:
    ((_, value),) = parse_json("[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH)
    assert msgspec.json.encode(value) == b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH
    assert sys.getrecursionlimit() > MAX_DEPTH


@given(st.lists(JSON_VALUES), st.sampled_from(["\n", " ", "\r\n\t"]), st.sampled_from([None, 2]))
def test_json_is_read_as_python_reads_it(values: list[Any], separator: str, indent: int | None) -> None:
    text = separator.join(json.dumps(value, indent=indent) for value in values if not _has_half_a_pair(value))
    kept = [value for value in values if not _has_half_a_pair(value)]
    assert [value for _, value in parse_json(text)] == kept


def _has_half_a_pair(value: Any) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in json.dumps(value, ensure_ascii=False))
