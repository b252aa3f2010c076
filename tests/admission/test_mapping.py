"""Role mappings: which entry applies to a ServiceAccount, and how invalid entries are handled."""

import json
import time
from typing import Any

import pytest

from webhook.admission.mapping import MappedRole, RoleMapping, parse_mapping
from webhook.errors import MappingError


def _mapping(*keys: str) -> RoleMapping:
    """Returns a mapping in which each entry's role is its key."""
    mapping, problems = parse_mapping(json.dumps({key: {"RoleARN": key} for key in keys}))
    assert problems == []
    assert len(mapping) == len(keys)
    return mapping


def _found(mapping: RoleMapping, namespace: str, name: str) -> str | None:
    role = mapping.find(namespace, name)
    return None if role is None else role.role_arn


@pytest.mark.parametrize(
    ("keys", "account", "found"),
    [
        ([], "shop/app", None),
        (["shop/app"], "shop/app", "shop/app"),
        (["shop/app"], "shop/app2", None),
        (["shop/app"], "ashop/app", None),
        (["shop/a.b"], "shop/axb", None),
        (["test-*/app"], "test-1/app", "test-*/app"),
        (["test-*/app"], "test-/app", "test-*/app"),
        (["test-*/app"], "test/app", None),
        (["test-*/app"], "test-1/app2", None),
        (["*/app"], "any-namespace/app", "*/app"),
        (["*/app"], "any/my-app", None),
        (["shop/*"], "shop/any.name", "shop/*"),
        (["*/*"], "a/b", "*/*"),
        (["a*b*c/x"], "abbc/x", "a*b*c/x"),
        (["a*b*c/x"], "a1b2c/x", "a*b*c/x"),
        (["a*b*c/x"], "acb/x", None),
        (["a*ab/x"], "ab/x", None),
        (["a*ab/x"], "aab/x", "a*ab/x"),
        (["a**b/x"], "ab/x", "a**b/x"),
        (["*a*a*/x"], "a/x", None),
        (["*a*a*/x"], "1aa2/x", "*a*a*/x"),
        (["shop/a*.b"], "shop/axb", None),
        (["shop/a*.b"], "shop/ax.b", "shop/a*.b"),
        (["*/app", "shop/app"], "shop/app", "shop/app"),
        (["*/app", "shop/*"], "shop/app", "shop/*"),
        (["sh*/app", "*/app", "s*/a*"], "shop/app", "sh*/app"),
        (["*shop/app", "shop*/app"], "shop/app", "*shop/app"),
        (["shop*/app", "*shop/app"], "shop/app", "*shop/app"),
        (["sh*p/a*p", "shop*/app*"], "shop/app", "shop*/app*"),
    ],
)
def test_the_exact_entry_wins_and_then_the_glob_with_the_longest_literal(
    keys: list[str], account: str, found: str | None
) -> None:
    mapping = _mapping(*keys)
    assert _found(mapping, *account.split("/")) == found


def test_a_star_does_not_match_a_slash() -> None:
    assert _mapping("a*c/x").find("ab/c", "x") is None


def test_an_entry_may_set_every_member() -> None:
    entry = {"RoleARN": "arn:x", "Audience": "vault", "UseRegionalSTS": False, "TokenExpiration": 3600, "Unknown": []}
    mapping, problems = parse_mapping(json.dumps({"shop/app": entry}))
    assert problems == []
    assert mapping.find("shop", "app") == MappedRole("shop/app", "arn:x", "vault", False, 3600)


@pytest.mark.parametrize(
    "more",
    [{}, {"Audience": "", "TokenExpiration": 0}, {"Audience": None, "TokenExpiration": None, "UseRegionalSTS": None}],
)
def test_an_entry_without_optional_members_leaves_the_defaults(more: dict[str, Any]) -> None:
    mapping, problems = parse_mapping(json.dumps({"shop/app": {"RoleARN": "arn:x", **more}}))
    assert problems == []
    assert mapping.find("shop", "app") == MappedRole("shop/app", "arn:x")


@pytest.mark.parametrize("spelled", [str.lower, str.upper, str.swapcase, str.title])
def test_the_inner_keys_may_be_in_any_case(spelled: Any) -> None:
    entry = {"RoleARN": "arn:x", "Audience": "vault", "UseRegionalSTS": True, "TokenExpiration": 3600}
    mapping, problems = parse_mapping(json.dumps({"shop/app": {spelled(key): value for key, value in entry.items()}}))
    assert problems == []
    assert mapping.find("shop", "app") == MappedRole("shop/app", "arn:x", "vault", True, 3600)


def test_of_duplicate_keys_the_last_wins() -> None:
    document = """{"shop/app": {"RoleARN": "first"}, "shop/app": {"RoleARN": "second", "rolearn": "third"}}"""
    mapping, problems = parse_mapping(document)
    assert problems == []
    assert mapping.find("shop", "app") == MappedRole("shop/app", "third")


BAD_KEY = "the key is not NAMESPACE/NAME in lower case, each of which may contain '*'"


@pytest.mark.parametrize(
    ("key", "entry", "problem"),
    [
        ("shop", {"RoleARN": "x"}, BAD_KEY),
        ("", {"RoleARN": "x"}, BAD_KEY),
        ("/", {"RoleARN": "x"}, BAD_KEY),
        ("/app", {"RoleARN": "x"}, BAD_KEY),
        ("shop/", {"RoleARN": "x"}, BAD_KEY),
        ("shop/app/x", {"RoleARN": "x"}, BAD_KEY),
        ("Shop/app", {"RoleARN": "x"}, BAD_KEY),
        ("sh.op/app", {"RoleARN": "x"}, BAD_KEY),
        ("shop/app\n", {"RoleARN": "x"}, BAD_KEY),
        ("shop/[a-z]", {"RoleARN": "x"}, BAD_KEY),
        ("shop/?pp", {"RoleARN": "x"}, BAD_KEY),
        ("shöp/app", {"RoleARN": "x"}, BAD_KEY),
        ("shop/app", [], "the value is not an object"),
        ("shop/app", None, "the value is not an object"),
        ("shop/app", "arn:x", "the value is not an object"),
        ("shop/app", {}, "RoleARN is missing or empty"),
        ("shop/app", {"RoleARN": ""}, "RoleARN is missing or empty"),
        ("shop/app", {"RoleARN": None}, "RoleARN is missing or empty"),
        ("shop/app", {"RoleARN": 5}, "RoleARN is not of type str"),
        ("shop/app", {"RoleARN": "x", "Audience": ["a"]}, "Audience is not of type str"),
        ("shop/app", {"RoleARN": "x", "UseRegionalSTS": "true"}, "UseRegionalSTS is not of type bool"),
        ("shop/app", {"RoleARN": "x", "UseRegionalSTS": 1}, "UseRegionalSTS is not of type bool"),
        ("shop/app", {"RoleARN": "x", "TokenExpiration": "3600"}, "TokenExpiration is not of type int"),
        ("shop/app", {"RoleARN": "x", "TokenExpiration": 3600.5}, "TokenExpiration is not of type int"),
        ("shop/app", {"RoleARN": "x", "TokenExpiration": True}, "TokenExpiration is not of type int"),
    ],
)
def test_a_bad_entry_is_skipped_and_named_and_the_others_hold(key: str, entry: Any, problem: str) -> None:
    mapping, problems = parse_mapping(
        json.dumps({"a/b": {"RoleARN": "before"}, key: entry, "*/z": {"RoleARN": "after"}})
    )
    assert problems == [f"entry {key!r} skipped: {problem}"]
    assert len(mapping) == 2
    assert _found(mapping, "a", "b") == "before"
    assert _found(mapping, "y", "z") == "after"
    assert "\n" not in problems[0]


@pytest.mark.parametrize("document", ["", b"", "{}", "null"])
def test_an_empty_document_maps_nobody(document: str | bytes) -> None:
    mapping, problems = parse_mapping(document)
    assert len(mapping) == 0
    assert problems == []
    assert mapping.find("shop", "app") is None


@pytest.mark.parametrize(
    "document",
    [
        "[]",
        "5",
        '"text"',
        "{",
        "{} {}",
        "shop/app: {RoleARN: x}",
        '{"shop/app": NaN}',
        b'{"shop/app": {"RoleARN": "\xff"}}',
        "\ud800",
        '{"shop/app": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_an_invalid_document_is_refused_as_a_whole(document: str | bytes) -> None:
    with pytest.raises(MappingError, match=r"\Anot a JSON object of mappings: ") as caught:
        parse_mapping(document)
    assert "\n" not in str(caught.value)


def test_many_stars_take_no_time() -> None:
    mapping = _mapping(*(f"{'*a' * stars}*/{'*a' * stars}*b" for stars in range(20, 31)))
    started = time.process_time()
    for _ in range(100):
        assert mapping.find("a" * 63, "a" * 253) is None
    assert time.process_time() - started < 5


def test_a_long_key_takes_no_time() -> None:
    started = time.process_time()
    _, problems = parse_mapping(json.dumps({"a-" * 200_000: {}, "*" * 200_000 + "/" + "-" * 200_000: {}}))
    assert len(problems) == 2
    assert time.process_time() - started < 5
