import json
import textwrap
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webhook.manifests import yaml_text
from webhook.manifests.json_text import MAX_DEPTH, MalformedText
from webhook.manifests.yaml_text import MAX_ALIASED, parse_yaml


def value_of(text: str) -> Any:
    ((_, value),) = parse_yaml(textwrap.dedent(text))
    return value


def problem_of(text: str) -> tuple[int, str]:
    with pytest.raises(MalformedText) as raised:
        list(parse_yaml(text))
    return raised.value.line, raised.value.problem


# The values are those of kubectl 1.32 (kubectl annotate --local -o json).
SCALARS: list[tuple[str, Any]] = [
    *((text, True) for text in ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")),
    *((text, False) for text in ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")),
    *((text, None) for text in ("", "~", "null", "Null", "NULL")),
    *((text, text) for text in ("tRue", "oN", "nULL", "yess", "None", "=", "<<")),
    *((text, text) for text in ("2024-01-01", "2024-01-01T00:00:00Z", "12:30:00", "1:30", "1.2.3", "+", ".", "_1")),
    *((text, text) for text in ("0x", "0b", "0b12", "0o8", ".e3", "1e", "1e400", "0xFFFFFFFFFFFFFFFFF", "nan", "inf")),
    ("0", 0),
    ("-0", 0),
    ("00", 0),
    ("+12", 12),
    ("-12", -12),
    ("0644", 420),
    ("0o644", 420),
    ("0O17", 15),
    ("-0o17", -15),
    ("0_7", 7),
    ("08", 8),
    ("0x1F", 31),
    ("0X1f", 31),
    ("0x_1F", 31),
    ("+0x1f", 31),
    ("0b11", 3),
    ("-0b11", -3),
    ("1_000", 1000),
    ("1__0", 10),
    ("1.0", 1),
    ("1.", 1),
    ("1e3", 1000),
    ("12e03", 12000),
    ("5.e3", 5000),
    (".5", 0.5),
    ("-.5", -0.5),
    ("+.5", 0.5),
    ("09.5", 9.5),
    ("0.10", 0.1),
    ("1_0.5", 10.5),
    ("-1e-3", -0.001),
    ("1.0e21", 1e21),
    ("9223372036854775807", 9223372036854775807),
    ("-9223372036854775808", -9223372036854775808),
    ("9223372036854775808", 9223372036854775808.0),
    ("0x8000000000000000", 9223372036854775808.0),
    ("18446744073709551616", 18446744073709551616.0),
    ("0777777777777777777777777", 777777777777777777777777.0),
    ("'0644'", "0644"),
    ('"on"', "on"),
    ("!!str 5", "5"),
    ("!!str", ""),
    ("!!timestamp 2024-01-01", "2024-01-01"),
    ('!!int "5"', 5),
    ("!!float 5", 5),
    ('!!float "1.5"', 1.5),
    ('!!bool "yes"', True),
    ('!!null "null"', None),
    ("!!map {a: 1}", {"a": 1}),
    ("!!seq [1]", [1]),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars_mean_what_they_mean_to_kubectl(text: str, value: Any) -> None:
    found = value_of(f"v: {text}")
    assert found == {"v": value}
    assert type(found["v"]) is type(value)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("{on: 1, n: 2}", ["true", "false"]),
        ("{1: a, 0x10: b, 012: c}", ["1", "16", "10"]),
        ("{1.50: a, 1e3: b}", ["1.5", "1000"]),
        ("{=: a, 2024-01-01: b, !!str 5: c}", ["=", "2024-01-01", "5"]),
        ("{'<<': a}", ["<<"]),
        ("{&a k: 1, l: {*a : 2}}", ["k", "l"]),
    ],
)
def test_keys_become_strings(text: str, keys: list[str]) -> None:
    assert list(value_of(text)) == keys


@pytest.mark.parametrize("text", ["{a: 1, a: 2}", "{1: 1, '1': 2}"])
def test_of_duplicate_keys_the_last_wins(text: str) -> None:
    assert list(value_of(text).values()) == [2]


@pytest.mark.parametrize("key", ["kind", "apiVersion"])
def test_two_objects_in_one_are_an_error(key: str) -> None:
    with pytest.raises(MalformedText) as caught:
        value_of(f"{key}: A\nspec:\n  {key}: C\n  {key}: D\n'{key}': B\n")
    assert (caught.value.line, caught.value.problem) == (
        5,
        f"{key} again in the same object: is a line '---' missing before it?",
    )


def test_merges_and_other_documents_may_repeat_the_kind() -> None:
    assert value_of("{<<: {kind: A}, kind: B}") == {"kind": "B"}
    assert [value for _, value in parse_yaml("kind: A\n---\nkind: B\n")] == [{"kind": "A"}, {"kind": "B"}]


def test_an_alias_has_the_value_of_its_anchor() -> None:
    assert value_of("{a: &a {x: 1}, b: *a, c: [*a, &b 2, *b]}") == {"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}, 2, 2]}


def test_an_alias_means_the_last_anchor_of_that_name() -> None:
    assert value_of("{a: &a 1, b: *a, c: &a 2, d: *a}") == {"a": 1, "b": 1, "c": 2, "d": 2}


# The values are those of kubectl 1.32.
@pytest.mark.parametrize(
    ("text", "merged"),
    [
        ("{<<: {a: 1}, b: 2}", {"a": 1, "b": 2}),
        ("{<<: {a: 1}, a: 2}", {"a": 2}),
        ("{<<: [{a: 1}, {a: 2, c: 3}]}", {"a": 1, "c": 3}),
        ("{a: 1, <<: {a: 2, b: 2}}", {"a": 2, "b": 2}),
        ("{<<: [{a: 1}, {a: 2, c: 3}], <<: {a: 9, d: 1}, '<<': 5}", {"a": 9, "c": 3, "d": 1, "<<": 5}),
        ("{<<: {a: 1, a: 2}}", {"a": 2}),
    ],
)
def test_merge_keys_work_as_in_kubectl(text: str, merged: dict[str, Any]) -> None:
    assert value_of(text) == merged


def test_a_merge_does_not_change_its_source() -> None:
    assert value_of("{a: &a {x: 1}, b: {<<: *a, x: 2}}") == {"a": {"x": 1}, "b": {"x": 2}}


def test_documents_come_with_the_line_of_their_first_value() -> None:
    text = "# nothing yet\n---\n\na: 1\n---\n# empty\n---\n- b\n...\n---\n--- c\n---\n*x"
    with pytest.raises(MalformedText):
        list(parse_yaml(text))
    documents = list(parse_yaml(text.removesuffix("*x")))
    assert [value for _, value in documents] == [{"a": 1}, None, ["b"], None, "c", None]
    assert [line for line, value in documents if value is not None] == [4, 8, 11]


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n"])
def test_text_without_documents_has_none(text: str) -> None:
    assert list(parse_yaml(text)) == []


def test_anchors_end_with_their_document() -> None:
    assert problem_of("a: &x 1\n---\nb: *x\n") == (3, "the alias *x has no anchor &x before it")


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a:\n\tb: 1", 2, "not YAML: indent with blanks, not with tabs"),
        ("a: !!python/object:os.system x", 1, "the tag !!python/object:os.system is not supported"),
        ("a: 1\nb: !Ref x", 2, "the tag !Ref is not supported"),
        ("a: !Sub [x]", 1, "the tag !Sub is not supported"),
        ("a: !!set {x}", 1, "the tag !!set is not supported"),
        ("a: !!binary aGVsbG8=", 1, "the tag !!binary is not supported"),
        ("a: !!int [1]", 1, "the tag !!int is not supported"),
        ("a: !!int x", 1, "!!int does not fit 'x'"),
        ("a: !!int 'yes'", 1, "!!int does not fit 'yes'"),
        ("a: !!bool 1", 1, "!!bool does not fit '1'"),
        ("a: !!null x", 1, "!!null does not fit 'x'"),
        ("a: .inf", 1, ".inf is not a number in JSON"),
        ("a:\n- -.Inf", 2, "-.Inf is not a number in JSON"),
        ("a: .NaN", 1, ".NaN is not a number in JSON"),
        ("a: {{ .Values.x }}", 1, "a mapping key is a mapping or a list: only scalars can be keys"),
        ("? [a]\n: 1", 1, "a mapping key is a mapping or a list: only scalars can be keys"),
        ("a: 1\n~: 2", 2, "a mapping key is null: only other scalars can be keys"),
        ("a: &a [1]\nb: {*a : 1}", 2, "a mapping key is a mapping or a list: only scalars can be keys"),
        ("a: 1\n<<: 3", 2, "the value of << is not a mapping or a list of mappings"),
        ("<<: [{a: 1}, 2]", 1, "the value of << is not a mapping or a list of mappings"),
        ("a: &a [*a]", 1, "the alias *a is inside its own anchor"),
        ("a: &a 1\nb: &a {c: *a}", 2, "the alias *a is inside its own anchor"),
        ("a: !!int x\nb: [", 1, "!!int does not fit 'x'"),
        ("&a {<<: *a}", 1, "the alias *a is inside its own anchor"),
        ("a: *b", 1, "the alias *b has no anchor &b before it"),
        ("a: 1\nb: \x07", 2, "not YAML: the character U+0007 is not allowed"),
        ("é: 1\n\nb: 'x\x00'", 3, "not YAML: the character U+0000 is not allowed"),
        ("a: '\ufeff'\nb: '\ufffe'", 2, "not YAML: the character U+FFFE is not allowed"),
        ("[" * 5_000, 1, "nested too deeply"),
        ("- " * 5_000, 1, "nested too deeply"),
        ("{a: " * (MAX_DEPTH + 1), 1, "nested too deeply"),
        ("a: &a " + "[" * 150 + "]" * 150 + "\nb: " + "[" * 50 + "*a" + "]" * 50, 2, "nested too deeply"),
    ],
)
def test_an_error_has_the_line(text: str, line: int, problem: str) -> None:
    assert problem_of(text) == (line, problem)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2\n", 2),
        ("a: 1\nb: 'x\nc: 1\nd: 1\n", 2),
        ("a: 1\n b: 2", 2),
        ("a: 1\nb\nc: 2", 2),
        ("@a", 1),
        ("%YAML 3.0\n---\na: 1", 1),
        ('a: "\\ud800"', 1),
        ('a: "\\UFFFFFFFF"', 1),
        ("}", 1),
    ],
)
def test_a_syntax_error_has_the_line(text: str, line: int) -> None:
    found, problem = problem_of(text)
    assert found == line
    assert problem.startswith(("not YAML: ", "a \\u escape"))
    assert "\n" not in problem


def test_the_deepest_nesting_that_can_be_read_can_be_written() -> None:
    value = value_of("[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH)
    assert msgspec.json.encode(value) == b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH


def test_the_billion_laughs_attack_is_refused() -> None:
    lines = ["a: &a [ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefghi", "bcdefghij", strict=True)]
    assert problem_of("\n".join(lines)) == (7, "aliases expand to more than any manifest needs")


@pytest.mark.parametrize("use", ["*a", "{<<: *a}"])
def test_aliases_are_limited_by_the_size_of_their_anchors(use: str) -> None:
    anchored = "a: &a {k: '" + "x" * 100_000 + "'}\n"
    allowed = MAX_ALIASED // 100_010
    text = anchored + "b:\n" + f"- {use}\n" * allowed
    assert len(value_of(text)["b"]) == allowed
    assert problem_of(text + f"- {use}\n") == (allowed + 3, "aliases expand to more than any manifest needs")


def test_the_bound_on_aliases_holds_for_all_documents_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_ALIASED", 10_000)
    document = "a: &a '" + "x" * 5_000 + "'\nb: *a\n---\n"
    assert problem_of(document * 2) == (5, "aliases expand to more than any manifest needs")


WORDS = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" \t\n\\\"'"))
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda members: st.lists(members, max_size=4) | st.dictionaries(WORDS, members, max_size=4),
    max_leaves=10,
)


@given(JSON_VALUES)
def test_json_is_yaml(value: Any) -> None:
    assert [found for _, found in parse_yaml("---\n" + json.dumps(value, ensure_ascii=False))] == [value]


@given(st.text("ab01:-{}[],&*!<>|'\"\\#%?~.eE+_x \n\t\0\u2028\ud800") | st.text())
@example("a: &a\n*a : *a")
@example("!<")
@example("%TAG ! x\n---\n!y z")
def test_any_text_results_in_json_values_or_our_error(text: str) -> None:
    try:
        values = [value for _, value in parse_yaml(text)]
    except MalformedText:
        return
    json.dumps(values, allow_nan=False)
    msgspec.json.encode(values)
