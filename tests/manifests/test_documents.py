import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.errors import ManifestError, NoManifest
from webhook.manifests import documents
from webhook.manifests.documents import Document, manifest_files, read_documents, read_path


def error_of(call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(ManifestError) as raised:
        call(*arguments)
    # No other subclass: errors of a parser must be chained, not leaked.
    assert type(raised.value) in {ManifestError, NoManifest}
    return str(raised.value)


def objects(text: bytes, source: str = "app.yaml") -> list[dict[str, Any]]:
    return [document.object for document in read_documents(text, source)]


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 1}\n{"b": 2}',
        b'{"a":1}{"b":2}',
        b"a: 1\n---\nb: 2\n",
        b"---\na: 1\n---\n# nothing\n---\nnull\n---\nb: 2\n---\n",
        b"\xef\xbb\xbfa: 1\n---\nb: 2\n",
        b'\xef\xbb\xbf{"a": 1} {"b": 2}',
        b"{a: 1}\n---\n{b: 2}\n",
        b'{"a": 1}\n---\n{"b": 2}\n',
        b"a: 1\r\n---\r\nb: 2\r\n",
    ],
)
def test_json_and_yaml_may_have_several_documents(text: bytes) -> None:
    assert objects(text) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("text", [b"", b" \n", b"---\n---\n", b"# comment", b"null", b"\xef\xbb\xbf"])
def test_empty_documents_are_dropped(text: bytes) -> None:
    assert objects(text) == []


def test_a_document_has_its_place() -> None:
    text = b"# chart\n---\na: 1\n---\nkind: List\nitems:\n- b: 2\n- {kind: List, items: [{c: 3}, {c: 4}]}\n"
    assert [(found.object, found.place) for found in read_documents(text, "app.yaml")] == [
        ({"a": 1}, "app.yaml, line 3"),
        ({"b": 2}, "app.yaml, line 5, items[0]"),
        ({"c": 3}, "app.yaml, line 5, items[1].items[0]"),
        ({"c": 4}, "app.yaml, line 5, items[1].items[1]"),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"{kind: List, items: []}", []),
        (b"{kind: List, items: null}", []),
        (b"{kind: List}", []),
        (b"{kind: PodList, apiVersion: v1, items: [{a: 1}]}", [{"apiVersion": "v1", "kind": "Pod", "a": 1}]),
        (
            b"{kind: PodList, apiVersion: v1, items: [{kind: X, apiVersion: y/v1}]}",
            [{"apiVersion": "y/v1", "kind": "X"}],
        ),
        (b"{kind: AllowList, spec: {}}", [{"kind": "AllowList", "spec": {}}]),
        (b"{kind: AllowList, items: x}", [{"kind": "AllowList", "items": "x"}]),
        (b"{kind: Menu, items: [{a: 1}]}", [{"kind": "Menu", "items": [{"a": 1}]}]),
        (b"{items: [{a: 1}]}", [{"items": [{"a": 1}]}]),
        (b"{kind: 5, items: [{a: 1}]}", [{"kind": 5, "items": [{"a": 1}]}]),
    ],
)
def test_lists_are_replaced_by_their_items(text: bytes, found: list[Any]) -> None:
    assert objects(text) == found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"a: 1\n---\n- b\n", "app.yaml, line 3: expected an object, got a list"),
        (b"[1]", "app.yaml, line 1: expected an object, got a list"),
        (b"hello", "app.yaml, line 1: expected an object, got a string"),
        (b"{} 5", "app.yaml, line 1: expected an object, got a number"),
        (b"on", "app.yaml, line 1: expected an object, got a boolean"),
        (b"1.5", "app.yaml, line 1: expected an object, got a number"),
        (b"kind: List\nitems: {}", "app.yaml, line 1: items: expected a list, got an object"),
        (b"kind: List\nitems: [{}, 1]", "app.yaml, line 1: items[1]: expected an object, got a number"),
        (b"kind: PodList\nitems: [null]", "app.yaml, line 1: items[0]: expected an object, got nothing"),
        (b"a: 1\nb: !Ref x", "app.yaml, line 2: the tag !Ref is not supported"),
        (b'{"a": 1}\n{"b": tru}', "app.yaml, line 2: not JSON: Expecting value (column 7)"),
        (b"{a: b}\n---\nc: d\n---\ne: *f", "app.yaml, line 5: the alias *f has no anchor &f before it"),
        (b"a: 1\nb: \xff", "app.yaml, line 2: not UTF-8: the byte 0xff, invalid start byte"),
        ("a: 1".encode("utf-16"), "app.yaml: is UTF-16 or UTF-32: save it as UTF-8"),
        (b"\xfe\xff" + "a: 1".encode("utf-16-be"), "app.yaml: is UTF-16 or UTF-32: save it as UTF-8"),
        ("a: 1".encode("utf-32"), "app.yaml: is UTF-16 or UTF-32: save it as UTF-8"),
        ("a: 1".encode("utf-16-le"), "app.yaml, line 1: not YAML: the character U+0000 is not allowed"),
        (b'{"a":' * 100_000, "app.yaml, line 1: nested too deeply"),
    ],
)
def test_an_error_has_the_place(text: bytes, problem: str) -> None:
    assert error_of(read_documents, text, "app.yaml") == problem


def test_a_json_file_must_not_contain_yaml() -> None:
    assert objects(b'{"a": 1}', "app.json") == [{"a": 1}]
    assert error_of(read_documents, b"a: 1", "app.json") == "app.json, line 1: not JSON: Expecting value (column 1)"


def test_the_size_of_text_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_BYTES", 2**20)
    assert objects(b" " * 2**20) == []
    assert error_of(read_documents, b" " * (2**20 + 1), "-") == "-: longer than 1 MiB"


def test_a_file_is_read_only_up_to_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_BYTES", 2**20)
    file = tmp_path / "big.yaml"
    with file.open("wb") as sparse:
        sparse.truncate(2**40)
    assert error_of(read_path, file) == f"{file}: longer than 1 MiB"


@given(st.binary() | st.text("{}[]:,\"'ab1\\-# \n&*!").map(str.encode))
def test_any_bytes_result_in_json_objects_or_our_error(text: bytes) -> None:
    try:
        found, problem = objects(text, "x"), "x"
    except ManifestError as error:
        found, problem = [], str(error)
    assert problem.startswith("x")
    assert "\n" not in problem
    assert all(isinstance(value, dict) for value in found)
    msgspec.json.encode(found)


DOCUMENT = Document({"apiVersion": "apps/v1", "a": {"b": {"c": "x", "none": None}, "d": [1]}, "e": True}, "f.yaml", 7)


@pytest.mark.parametrize(
    ("path", "kind", "value"),
    [
        ("a.b.c", str, "x"),
        ("a.b", dict, {"c": "x", "none": None}),
        ("a.d", list, [1]),
        ("a.b.none", str, None),
        ("a.b.none.more", str, None),
        ("nothing.there", dict, None),
    ],
)
def test_a_member_is_found_by_its_path(path: str, kind: type, value: Any) -> None:
    assert DOCUMENT.member(path, kind) == value


@pytest.mark.parametrize(
    ("path", "kind", "problem"),
    [
        ("a.b", str, "f.yaml, line 7: a.b: expected a string, got an object"),
        ("a.b.c", dict, "f.yaml, line 7: a.b.c: expected an object, got a string"),
        ("a.b.c.d.e", str, "f.yaml, line 7: a.b.c: expected an object, got a string"),
        ("a.d.x", str, "f.yaml, line 7: a.d: expected an object, got a list"),
        ("e", str, "f.yaml, line 7: e: expected a string, got a boolean"),
    ],
)
def test_a_member_of_another_type_is_an_error_with_its_path(path: str, kind: type, problem: str) -> None:
    assert error_of(DOCUMENT.member, path, kind) == problem


@pytest.mark.parametrize(
    ("members", "group_kind"),
    [
        ({"apiVersion": "v1", "kind": "Pod"}, ("", "Pod")),
        ({"apiVersion": "apps/v1", "kind": "Deployment"}, ("apps", "Deployment")),
    ],
)
def test_a_kind_comes_with_its_group(members: dict[str, Any], group_kind: tuple[str, str]) -> None:
    assert Document(members, "f.yaml", 1).group_kind() == group_kind


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"apiVersion": "v1"}, "f.yaml, line 1: kind: missing"),
        ({"kind": "Pod"}, "f.yaml, line 1: apiVersion: missing"),
        ({"apiVersion": 1, "kind": "Pod"}, "f.yaml, line 1: apiVersion: expected a string, got a number"),
    ],
)
def test_an_object_without_a_kind_is_an_error(members: dict[str, Any], problem: str) -> None:
    assert error_of(Document(members, "f.yaml", 1).group_kind) == problem


def test_a_folder_gives_its_manifests_sorted_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.json", "README.md", ".hidden.yaml", "d.YAML", "e.yaml.swp"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "folder.yaml" / "deep.yaml").write_text("{}")
    (tmp_path / "elsewhere").write_text("{}")
    (tmp_path / "link.yaml").symlink_to("elsewhere")
    os.mkfifo(tmp_path / "pipe.yaml")
    assert [file.name for file in manifest_files(tmp_path)] == ["a.yaml", "b.yml", "c.json", "link.yaml"]


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    file = tmp_path / ".manifest"
    file.write_text("a: 1")
    assert [(found.object, found.place) for found in read_path(file)] == [({"a": 1}, f"{file}, line 1")]


def test_each_file_of_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "..2024").mkdir()
    (tmp_path / "..2024" / "app.yaml").write_text("a: 1")
    (tmp_path / "..data").symlink_to("..2024")
    (tmp_path / "app.yaml").symlink_to("..data/app.yaml")
    assert [found.place for found in read_path(tmp_path)] == [f"{tmp_path}/app.yaml, line 1"]


def test_errors_name_the_file(tmp_path: Path) -> None:
    assert error_of(read_path, tmp_path / "none") == f"{tmp_path}/none: No such file or directory"
    (tmp_path / "a.yaml").write_text("a: 1")
    (tmp_path / "b.yaml").write_text("a: 1\nb: *c")
    assert error_of(read_path, tmp_path) == f"{tmp_path}/b.yaml, line 2: the alias *c has no anchor &c before it"


def test_a_broken_link_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("gone")
    assert error_of(read_path, tmp_path) == f"{tmp_path}/a.yaml: No such file or directory"
    (tmp_path / "a.yaml").unlink()
    (tmp_path / "a.yaml").symlink_to("a.yaml")
    assert error_of(read_path, tmp_path) == f"{tmp_path}/a.yaml: Too many levels of symbolic links"
