"""Parses YAML documents as the Kubernetes tools do (sigs.k8s.io/yaml), each with its first line.

Scalars follow YAML 1.1 with the exceptions of those tools: `yes`, `on` and `y` are booleans, 0644 and 0o644 are 420,
but dates and 12:30:00 stay strings. We can write every value as JSON; mapping keys become strings.
"""

import re
from collections.abc import Iterator
from math import isinf
from typing import Any, Final

import yaml

from webhook.manifests.json_text import MalformedText, is_int64
from webhook.manifests.yaml_bounds import check_bounds

_TAG: Final = "tag:yaml.org,2002:"
_TRUE: Final = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE: Final = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
}
# In YAML 1.1, a leading 0 without an o means octal.
_OCTAL: Final = re.compile(r"^([-+]?)0(?=[0-7]+$)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_JSON: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CONTROL: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TYPE: Final = frozenset({"apiVersion", "kind"})


class _Loader(yaml.CSafeLoader):
    """PyYAML's parser with the plain scalars of Kubernetes instead of YAML 1.1's."""


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver(f"{_TAG}null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(f"{_TAG}bool", re.compile(rf"(?:{'|'.join(_TRUE + _FALSE)})$"), list("yYtToOnNfF"))
_Loader.add_implicit_resolver(f"{_TAG}float", re.compile(r"[-+.0-9]"), list("-+.0123456789"))
_Loader.add_implicit_resolver(f"{_TAG}merge", re.compile("<<$"), ["<"])


def parse_yaml(text: str) -> Iterator[tuple[int, Any]]:
    """Yields the documents in `text` with their lines; an empty document is None.

    Treat the values as read-only, because aliases share them. Raises MalformedText.
    """
    try:
        check_bounds(text)
        for node in yaml.compose_all(text, Loader=_Loader):
            if isinstance(node, yaml.MappingNode):
                _check_types_once(node)
            yield (_line(node), _Values().of(node)) if node else (0, None)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text) from error
    except (yaml.reader.ReaderError, UnicodeEncodeError) as error:
        raise _character_error(text) from error


def _syntax_error(error: yaml.MarkedYAMLError, text: str) -> MalformedText:
    # For a quote or a key that never ends, PyYAML reports where it gave up: report where it starts instead.
    is_unfinished = bool(error.context and error.context.startswith("while scanning a "))
    mark = (error.context_mark if is_unfinished else None) or error.problem_mark
    line = mark.line if mark else 0
    problem = " ".join(part for part in (error.problem, error.context) if part)
    if mark and "cannot start any token" in problem and text.splitlines()[line][mark.column :].startswith("\t"):
        problem = "indent with blanks, not with tabs"
    return MalformedText(line + 1, f"not YAML: {problem}")


def _character_error(text: str) -> MalformedText:
    found = _CONTROL.search(text)
    if found is None:
        return MalformedText(1, "not YAML: a character is not allowed")
    line = text.count("\n", 0, found.start()) + 1
    return MalformedText(line, f"not YAML: the character U+{ord(found.group()):04X} is not allowed")


def _check_types_once(root: yaml.MappingNode) -> None:
    """Refuses an object with two kinds: if somebody joins files without `---`, only the last object would remain."""
    found: set[str] = set()
    for key, _ in root.value:
        if not isinstance(key, yaml.ScalarNode) or key.value not in _TYPE:
            continue
        if key.value in found:
            problem = f"{key.value} again in the same object: is a line '---' missing before it?"
            raise MalformedText(_line(key), problem)
        found.add(key.value)


class _Values:
    """The values of one document's nodes. It reads a node that aliases share only once."""

    def __init__(self) -> None:
        self._known: dict[yaml.Node, Any] = {}

    def of(self, node: yaml.Node) -> Any:
        """Returns the value of `node`. Raises MalformedText."""
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if node not in self._known:
            if node.tag != f"{_TAG}{'map' if isinstance(node, yaml.MappingNode) else 'seq'}":
                raise MalformedText(_line(node), f"the tag {_shown_tag(node.tag)} is not supported")
            if isinstance(node, yaml.MappingNode):
                self._known[node] = self._mapping(node)
            else:
                self._known[node] = [self.of(item) for item in node.value]
        return self._known[node]

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        """Reads a mapping as kubectl does: later keys win, also over an earlier merge (`<<`), and vice versa."""
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                _merge(mapping, self.of(value_node), _line(key_node))
                continue
            mapping[_key(key_node)] = self.of(value_node)
        return mapping


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line
    return line + 1


def _merge(mapping: dict[str, Any], merged: Any, line: int) -> None:
    """Applies `<<: merged`; in a list, the first mapping wins."""
    for source in reversed(merged if isinstance(merged, list) else [merged]):
        if not isinstance(source, dict):
            raise MalformedText(line, "the value of << is not a mapping or a list of mappings")
        mapping.update(source)


def _key(node: yaml.Node) -> str:
    """Returns a mapping key as a string, as JSON requires."""
    if not isinstance(node, yaml.ScalarNode):
        raise MalformedText(_line(node), "a mapping key is a mapping or a list: only scalars can be keys")
    value = _scalar(node)
    if value is None:
        raise MalformedText(_line(node), "a mapping key is null: only other scalars can be keys")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _scalar(node: yaml.ScalarNode) -> str | float | bool | None:
    text: str = node.value
    tag = node.tag.removeprefix(_TAG)
    if tag in ("str", "timestamp", "merge"):
        return text
    value = _WORDS[text] if text in _WORDS else _number(text, _line(node))
    # Only an explicit tag can contradict its text.
    fits = {"null": value is None, "bool": isinstance(value, bool), "int": type(value) is int, "float": True}
    if tag not in fits:
        raise MalformedText(_line(node), f"the tag {_shown_tag(node.tag)} is not supported")
    if not fits[tag]:
        raise MalformedText(_line(node), f"!!{tag} does not fit {text[:40]!r}")
    return value


def _number(text: str, line: int) -> str | float:
    """Returns an integer if it fits in 64 bits, else a float; returns the text if it is not a number."""
    if _NOT_JSON.fullmatch(text):
        raise MalformedText(line, f"{text} is not a number in JSON")
    digits = text.replace("_", "")
    try:
        value = int(_OCTAL.sub(r"\g<1>0o", digits), 0) if digits.isascii() else None
    except ValueError:
        value = None
    if value is not None and is_int64(value):
        return value
    if value is not None and 0 < value < 2**64:
        return float(value)
    if not _FLOAT.fullmatch(digits) or isinf(approximate := float(digits)):
        return text
    return int(approximate) if approximate.is_integer() and is_int64(int(approximate)) else approximate


def _shown_tag(tag: str) -> str:
    return f"!!{tag.removeprefix(_TAG)}"[:80] if tag.startswith(_TAG) else tag[:80]
