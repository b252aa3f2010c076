"""Kubernetes manifests from text, files and folders: the objects in them, each with the place it came from."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from webhook.errors import ManifestError, NoManifest
from webhook.manifests.json_text import MalformedText, parse_json
from webhook.manifests.yaml_text import parse_yaml

MAX_BYTES: Final = 64 * 2**20

_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
# The mark of UTF-32 in little endian starts with that of UTF-16.
_WIDE_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Document:
    """An object from a manifest. It may share parts of itself with others: treat it as read-only.

    `source` names the file, `line` is where its document starts, `item` its place in a List (`items[2]`).
    """

    object: dict[str, Any]
    source: str
    line: int
    item: str = ""

    @property
    def place(self) -> str:
        """Where it came from, for a person: `app.yaml, line 12, items[2]`."""
        return f"{self.source}, line {self.line}" + (f", {self.item}" if self.item else "")

    def error(self, problem: str) -> ManifestError:
        """The error that says `problem` of this document."""
        return ManifestError(f"{self.place}: {problem}")

    def group_kind(self) -> tuple[str, str]:
        """Its API group, empty for the core one, and its kind; raises ManifestError where it lacks either."""
        kind = self.member("kind", str)
        api_version = self.member("apiVersion", str)
        if not kind or not api_version:
            raise self.error(f"{'apiVersion' if kind else 'kind'}: missing")
        group, _, _ = api_version.rpartition("/")
        return group, kind

    def member(self, path: str, kind: type[_T]) -> _T | None:
        """The member at a path such as `spec.template.spec`; None where it, or what it is in, is absent or null.

        Raises ManifestError where it, or what it is in, is of another type.
        """
        value: Any = self.object
        walked: list[str] = []
        for name in path.split("."):
            if not isinstance(value, dict):
                raise self.error(f"{'.'.join(walked)}: expected an object, got {type_name(value)}")
            walked.append(name)
            value = value.get(name)
            if value is None:
                return None
        if not isinstance(value, kind):
            raise self.error(f"{path}: expected {_EXPECTED[kind]}, got {type_name(value)}")
        return value


_EXPECTED: Final[dict[type, str]] = {dict: "an object", list: "a list", str: "a string"}


def type_name(value: Any) -> str:
    """What `value` is in JSON's terms, with its article."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    return _EXPECTED.get(type(value), "a number")


def read_documents(text: bytes, source: str) -> list[Document]:
    """The objects in `text`: one or more JSON values or YAML documents, Lists replaced by their items.

    `source` names the text in places and errors; where it ends in `.json`, the text is JSON and nothing else. Empty
    documents are dropped. Raises ManifestError, naming source and line; NoManifest where no manifest was meant.
    """
    try:
        values = list(_values(_decoded(text, source), source))
    except MalformedText as error:
        problem = f"{source}, line {error.line}: {error.problem}"
        if b"{{" in text:
            raise NoManifest(f"{problem} (a Helm template? 'helm template' renders it)") from error
        raise ManifestError(problem) from error
    found: list[Document] = []
    for line, value in values:
        if isinstance(value, dict):
            found.extend(_flattened(Document(value, source, line)))
        elif value is not None:
            is_mixed = any(isinstance(other, dict) and "kind" in other for _, other in values)
            problem = f"{source}, line {line}: expected an object, got {type_name(value)}"
            raise (ManifestError if is_mixed else NoManifest)(problem)
    return found


def read_path(path: Path) -> list[Document]:
    """The objects in a file, or in all manifests of a folder.

    Raises ManifestError, naming the file.
    """
    return [document for file in manifest_files(path) for document in read_documents(read_file(file), str(file))]


def manifest_files(path: Path) -> list[Path]:
    """`path` itself where it is no folder; else the manifests right in it, sorted, as `kubectl -f` takes them.

    Hidden files are left out: editors' swap files, and the `..data` of a mounted ConfigMap. A link that leads nowhere
    is not, so that reading it says so. Raises ManifestError where a folder cannot be listed.
    """
    try:
        if not path.is_dir():
            return [path]
        return sorted(file for file in path.iterdir() if _is_manifest(file))
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror or error}") from error


def read_file(path: Path) -> bytes:
    """A file's content, cut right after MAX_BYTES; raises ManifestError, naming the file."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _is_manifest(file: Path) -> bool:
    if file.name.startswith(".") or file.suffix not in _SUFFIXES:
        return False
    return file.is_file() or not file.exists()


def _decoded(text: bytes, source: str) -> str:
    if len(text) > MAX_BYTES:
        raise ManifestError(f"{source}: longer than {MAX_BYTES // 2**20} MiB")
    if text.startswith(_WIDE_MARKS):
        raise ManifestError(f"{source}: is UTF-16 or UTF-32: save it as UTF-8")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise MalformedText(line, f"not UTF-8: the byte 0x{text[error.start]:02x}, {error.reason}") from error


def _values(text: str, source: str) -> Iterator[tuple[int, Any]]:
    if source.endswith(".json"):
        return parse_json(text)
    if not text.lstrip().startswith(("{", "[")):
        return parse_yaml(text)
    # YAML may start like that too. Where it is neither, the reading that got further knows better what is wrong.
    try:
        return iter(list(parse_json(text)))
    except MalformedText as json_error:
        try:
            return iter(list(parse_yaml(text)))
        except MalformedText as yaml_error:
            raise (json_error if json_error.line >= yaml_error.line else yaml_error) from yaml_error


def _flattened(document: Document) -> Iterator[Document]:
    """The document, or what is in it where it is a List."""
    kind = document.object.get("kind")
    items = document.object.get("items")
    if kind == "List":
        items = document.member("items", list) or []
    elif not (isinstance(kind, str) and kind.endswith("List") and isinstance(items, list)):
        yield document
        return
    for index, item in enumerate(items):
        place = f"{document.item}.items[{index}]".removeprefix(".")
        if not isinstance(item, dict):
            raise document.error(f"items[{index}]: expected an object, got {type_name(item)}")
        # The API server leaves out of a typed list's items what the list says already.
        said = {} if kind == "List" else {"apiVersion": document.object.get("apiVersion"), "kind": kind[: -len("List")]}
        yield from _flattened(Document({**said, **item}, document.source, document.line, place))
