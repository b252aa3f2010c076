"""Reads Kubernetes manifests from text, files and folders; each object keeps its place for error messages."""

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
# The byte order mark of little-endian UTF-32 starts with that of UTF-16, so it needs no entry of its own.
_WIDE_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Document:
    """An object from a manifest. Treat it as read-only: YAML aliases may share parts between objects.

    `source` names the file, `line` is the first line of its document, `item` is its position in a List (`items[2]`).
    """

    object: dict[str, Any]
    source: str
    line: int
    item: str = ""

    @property
    def place(self) -> str:
        """The place of the object, for people: `app.yaml, line 12, items[2]`."""
        return f"{self.source}, line {self.line}" + (f", {self.item}" if self.item else "")

    def error(self, problem: str) -> ManifestError:
        """Returns an error with the place of this document and `problem`."""
        return ManifestError(f"{self.place}: {problem}")

    def group_kind(self) -> tuple[str, str]:
        """Returns its API group ("" for the core group) and its kind. Raises ManifestError if one is missing."""
        kind = self.member("kind", str)
        api_version = self.member("apiVersion", str)
        if not kind or not api_version:
            raise self.error(f"{'apiVersion' if kind else 'kind'}: missing")
        group, _, _ = api_version.rpartition("/")
        return group, kind

    def member(self, path: str, kind: type[_T]) -> _T | None:
        """Returns the member at a path such as `spec.template.spec`; None if it or a parent is missing or null.

        Raises ManifestError if it or a parent has the wrong type.
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
    """Returns the JSON type of `value`, with an article."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    return _EXPECTED.get(type(value), "a number")


def read_documents(text: bytes, source: str) -> list[Document]:
    """Returns the objects in `text`, which holds JSON values or YAML documents; replaces each List by its items.

    `source` names the text in places and errors; if it ends in `.json`, the text must be JSON. Ignores empty documents.
    Raises ManifestError, which names source and line, and NoManifest if the text was never meant as a manifest.
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
    """Returns the objects in a file, or in all manifests of a folder.

    Raises ManifestError, which names the file.
    """
    return [document for file in manifest_files(path) for document in read_documents(read_file(file), str(file))]


def manifest_files(path: Path) -> list[Path]:
    """Returns `path` itself if it is not a folder; else the manifests in the folder, sorted, as `kubectl -f` does.

    Ignores subfolders and hidden files, such as editors' swap files and the `..data` of a mounted ConfigMap. Includes
    broken links, so that reading them reports the error. Raises ManifestError if it cannot list the folder.
    """
    try:
        if not path.is_dir():
            return [path]
        return sorted(file for file in path.iterdir() if _is_manifest(file))
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror or error}") from error


def read_file(path: Path) -> bytes:
    """Returns a file's content, cut one byte after MAX_BYTES. Raises ManifestError, which names the file."""
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
    # YAML may start like JSON. If both parsers fail, the one that got further has the better error.
    try:
        return iter(list(parse_json(text)))
    except MalformedText as json_error:
        try:
            return iter(list(parse_yaml(text)))
        except MalformedText as yaml_error:
            raise (json_error if json_error.line >= yaml_error.line else yaml_error) from yaml_error


def _flattened(document: Document) -> Iterator[Document]:
    """Yields the document; or its items if it is a List."""
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
        # In a typed list, such as a PodList, the API server omits apiVersion and kind of the items.
        said = {} if kind == "List" else {"apiVersion": document.object.get("apiVersion"), "kind": kind[: -len("List")]}
        yield from _flattened(Document({**said, **item}, document.source, document.line, place))
