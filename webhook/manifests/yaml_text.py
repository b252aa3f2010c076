"""YAML documents from text, as the Kubernetes tools read them (sigs.k8s.io/yaml), each with the line it starts on.

The scalars are YAML 1.1's with the exceptions that those tools make: `yes`, `on` and `y` are booleans, 0644 and 0o644
are 420, while dates and 12:30:00 stay strings. Every value can be written as JSON; mapping keys become strings.
Values are built from parse events: nesting and what aliases expand to are bounded while they are built.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isinf
from typing import Any, Final

import yaml

from webhook.manifests.json_text import MAX_DEPTH, MalformedText, is_int64

# What aliases may add to a text, in characters and values. More is a mistake or an attack ("billion laughs").
MAX_ALIASED: Final = 8 * 2**20

_MAX_DIRECTIVES: Final = 64

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULLS: Final = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_BOOLEANS: Final = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_WORDS: Final[dict[str, bool | None]] = {**_NULLS, **_BOOLEANS}
_NUMBER_STARTS: Final = frozenset("+-.0123456789")
_INTEGER: Final = re.compile(
    r"[-+]?(?:(?P<decimal>0|[1-9][0-9]*)|0[xX](?P<hex>[0-9a-fA-F]+)|0[oO]?(?P<octal>[0-7]+)|0[bB](?P<binary>[01]+))",
    re.ASCII,
)
_BASES: Final = {"decimal": 10, "hex": 16, "octal": 8, "binary": 2}
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_JSON: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_UINT64_MAX: Final = 2**64 - 1
_LONGEST_UINT64: Final = 67  # characters: 64 binary digits, 0b and a sign

_TAG: Final = "tag:yaml.org,2002:"
_SCALAR_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}
_STRING_TAGS: Final = frozenset({"!", f"{_TAG}str", f"{_TAG}timestamp"})
_CONTROL: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# The place of the key where a mapping says `<<`.
_MERGE: Final = object()

# What an object says once: of other keys the last counts, as with kubectl.
_TYPE: Final = frozenset({"apiVersion", "kind"})


def parse_yaml(text: str) -> Iterator[tuple[int, Any]]:
    """The documents in `text` with their lines; an empty one is None.

    Aliases share what they stand for: treat the values as read-only. Raises MalformedText.
    """
    builder = _Builder()
    directives = text.count("\n%TAG") + text.startswith("%TAG")
    if directives > _MAX_DIRECTIVES:
        # The parser compares each with all before it.
        raise MalformedText(1, f"{directives} %TAG directives: no manifest needs more than {_MAX_DIRECTIVES}")
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentEndEvent):
                yield builder.finish()
            else:
                builder.feed(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text) from error
    except yaml.reader.ReaderError as error:
        raise _character_error(text) from error
    except (ValueError, OverflowError) as error:
        # Only the parser in Python: an escape such as "\UFFFFFFFF".
        raise MalformedText(1, f"not YAML: {error}") from error


def _syntax_error(error: yaml.MarkedYAMLError, text: str) -> MalformedText:
    # A quote or a key that never ends is found out about much later than where it starts.
    is_unfinished = bool(error.context and error.context.startswith("while scanning a "))
    mark = (error.context_mark if is_unfinished else None) or error.problem_mark
    line = mark.line if mark else 0
    problem = " ".join(part for part in (error.problem, error.context) if part)
    if mark and "cannot start any token" in problem:
        at_fault = text.splitlines()[line][mark.column :]
        if at_fault.startswith("\t"):
            problem = "a tab cannot indent, only blanks can"
    return MalformedText(line + 1, f"not YAML: {problem}")


def _character_error(text: str) -> MalformedText:
    found = _CONTROL.search(text)
    if found is None:
        return MalformedText(1, "not YAML: a character is not allowed")
    line = text.count("\n", 0, found.start()) + 1
    return MalformedText(line, f"not YAML: the character U+{ord(found.group()):04X} is not allowed")


@dataclass(frozen=True, slots=True)
class _Node:
    """A finished value, with what it takes when its aliases are expanded: size (see MAX_ALIASED), levels of nesting."""

    value: Any
    size: int
    height: int


@dataclass(slots=True)
class _Open:
    """A collection whose members are being read. `key` is that of the value to come; None: a key is to come."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    size: int = 1
    height: int = 1
    key: Any = None


class _Builder:
    """Builds a text's documents, one after another, from parse events."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._root: Any = None
        self._line = 0
        # None: the anchored collection is still open, so that an alias to it would be within itself.
        self._anchors: dict[str, _Node | None] = {}
        self._aliased = 0
        # Which of _TYPE the document has said itself, not by a merge.
        self._typed: set[str] = set()

    def feed(self, event: yaml.Event) -> None:
        """Takes the next event."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._start(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = self._open.pop()
            self._add(_Node(done.value, done.size, done.height), done.anchor, _line(event))
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._root, self._line, self._anchors, self._typed = None, 0, {}, set()

    def finish(self) -> tuple[int, Any]:
        """The document that ends here, and its line."""
        return self._line, self._root

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        line = _line(event)
        text: str = event.value
        if not text.isascii():
            _check_encodable(text, line)
        is_plain = event.tag is None and event.implicit[0]
        if is_plain and text == "<<" and self._expects_key():
            self._open[-1].key = _MERGE
            return
        value = _plain(text, line) if is_plain else _tagged(event.tag, text, line)
        self._add(_Node(value, len(text) + 1, 0), event.anchor, line)

    def _start(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        line = _line(event)
        if event.tag not in (None, "!", f"{_TAG}map" if is_mapping else f"{_TAG}seq"):
            raise MalformedText(line, f"the tag {_shown_tag(event.tag)} means nothing here")
        if self._expects_key():
            raise MalformedText(line, "a mapping key is a mapping or a list: only scalars can be keys")
        if len(self._open) >= MAX_DEPTH:
            raise MalformedText(line, "nested too deeply")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._line = self._line or line
        self._open.append(_Open({} if is_mapping else [], event.anchor))

    def _alias(self, event: yaml.AliasEvent) -> None:
        line = _line(event)
        name = event.anchor or ""
        if name not in self._anchors:
            raise MalformedText(line, f"the alias *{name} has no anchor &{name} before it")
        node = self._anchors[name]
        if node is None:
            raise MalformedText(line, f"the alias *{name} is within what it stands for")
        self._aliased += node.size
        if self._aliased > MAX_ALIASED:
            raise MalformedText(line, "aliases expand to more than any manifest needs")
        if len(self._open) + node.height > MAX_DEPTH:
            raise MalformedText(line, "nested too deeply")
        self._add(node, None, line)

    def _add(self, node: _Node, anchor: str | None, line: int) -> None:
        """Puts a finished value where it belongs."""
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self._root, self._line = node.value, self._line or line
            return
        parent = self._open[-1]
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)
        if isinstance(parent.value, list):
            parent.value.append(node.value)
        elif parent.key is None:
            parent.key = _key(node.value, line)
            if len(self._open) == 1 and parent.key in _TYPE:
                self._check_once(parent.key, line)
        else:
            if parent.key is _MERGE:
                _merge(parent.value, node.value, line)
            else:
                parent.value[parent.key] = node.value
            parent.key = None

    def _check_once(self, key: str, line: int) -> None:
        """Refuses two objects in one: where files without `---` are put together, all but the last would be lost."""
        if key in self._typed:
            raise MalformedText(line, f"{key} again in the same object: is a line '---' missing before it?")
        self._typed.add(key)

    def _expects_key(self) -> bool:
        return bool(self._open) and self._open[-1].key is None and isinstance(self._open[-1].value, dict)


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark else 1


def _merge(mapping: dict[str, Any], merged: Any, line: int) -> None:
    """`<<: merged`: in its place, as kubectl does, not after all other keys; in a list the first mapping wins."""
    sources = merged if isinstance(merged, list) else [merged]
    for source in reversed(sources):
        if not isinstance(source, dict):
            raise MalformedText(line, "the value of << is not a mapping or a list of mappings")
        mapping.update(source)


def _key(value: Any, line: int) -> str:
    """A mapping key as JSON can have it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise MalformedText(line, "a mapping key is null, a mapping or a list: only other scalars can be keys")


def _plain(text: str, line: int) -> str | float | bool | None:
    """What a scalar without quotes and tag means."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if _NOT_JSON.fullmatch(text):
        raise MalformedText(line, f"{text} is a number that JSON cannot hold")
    return _number(text)


def _number(text: str) -> str | float:
    """An integer where it has 64 bits at most, else a float; the text where it is neither."""
    digits = text.replace("_", "")
    integer = _INTEGER.fullmatch(digits)
    if integer and integer.lastgroup and len(digits) <= _LONGEST_UINT64:
        value = int(integer[integer.lastgroup], _BASES[integer.lastgroup])
        value = -value if digits[0] == "-" else value
        if is_int64(value):
            return value
        if 0 < value <= _UINT64_MAX:
            return float(value)
    if not _FLOAT.fullmatch(digits):
        return text
    approximate = float(digits)
    if isinf(approximate):
        return text
    return int(approximate) if approximate.is_integer() and is_int64(int(approximate)) else approximate


def _tagged(tag: str | None, text: str, line: int) -> str | float | bool | None:
    """What a scalar means that has an explicit tag, or none but quotes."""
    if tag is None or tag in _STRING_TAGS:
        return text
    name = tag.removeprefix(_TAG)
    types = _SCALAR_TYPES.get(name) if tag.startswith(_TAG) else None
    if types is None:
        raise MalformedText(line, f"the tag {_shown_tag(tag)} means nothing here")
    value = _plain(text, line)
    if not isinstance(value, types) or (isinstance(value, bool) and name != "bool"):
        raise MalformedText(line, f"!!{name} does not fit {text[:40]!r}")
    return value


def _shown_tag(tag: str | None) -> str:
    tag = (tag or "")[:80]
    return f"!!{tag.removeprefix(_TAG)}" if tag.startswith(_TAG) else tag


def _check_encodable(text: str, line: int) -> None:
    """Only the parser in Python lets escapes of surrogates through."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MalformedText(line, "a \\u escape is half a surrogate pair") from error
