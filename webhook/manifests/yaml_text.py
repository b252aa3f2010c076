"""Parses YAML documents as the Kubernetes tools do (sigs.k8s.io/yaml), each with its first line.

We build the values from the parser's events, so that the first event beyond a bound ends the parsing: the author of a
manifest must not be able to exhaust our stack or memory with nesting or aliases.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from webhook.manifests.json_text import MAX_DEPTH, MalformedText
from webhook.manifests.yaml_scalars import TAG, Unusable, scalar_value, unsupported

# How much aliases may add to a text, in characters and values. More is an error or an attack ("billion laughs").
MAX_ALIASED: Final = 8 * 2**20

# The parser compares each directive with all earlier ones, so its time grows with the square of their number.
_MAX_DIRECTIVES: Final = 64
_CONTROL: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TYPE: Final = frozenset({"apiVersion", "kind"})
_MERGE: Final = object()


def parse_yaml(text: str) -> Iterator[tuple[int, Any]]:
    """Yields the documents in `text` with their lines; an empty document is None.

    We can write each value as JSON; mapping keys become strings. Treat the values as read-only, because aliases share
    them. Raises MalformedText.
    """
    directives = text.count("\n%TAG") + text.startswith("%TAG")
    if directives > _MAX_DIRECTIVES:
        raise MalformedText(1, f"{directives} %TAG directives: no manifest needs more than {_MAX_DIRECTIVES}")
    document = _Document()
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.DocumentStartEvent):
                document = _Document(document.aliased)
            elif isinstance(event, yaml.DocumentEndEvent):
                yield document.line, document.value
            else:
                document.follow(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text) from error
    except (yaml.reader.ReaderError, UnicodeEncodeError) as error:
        raise _character_error(text) from error


@dataclass(slots=True)
class _Node:
    """A value with its measure, aliases expanded: its size in characters and values, and its height."""

    value: Any
    line: int
    size: int = 1
    height: int = 1
    is_open: bool = True
    # In a mapping, the key that waits for its value.
    key: Any = None


class _Document:
    """Builds the value of one document, which starts at `line`. `aliased` is what aliases have added to the text."""

    def __init__(self, aliased: int = 0) -> None:
        self.value: Any = None
        self.line = 0
        self.aliased = aliased
        self._open: list[_Node] = []
        # By name; nodes without an anchor pass through None, which no alias can name.
        self._anchors: dict[str | None, _Node] = {}
        self._types: set[str] = set()

    def follow(self, event: yaml.Event) -> None:
        """Adds what this event brings. Raises MalformedText if it exceeds a bound or has no meaning in a manifest."""
        line = event.start_mark.line + 1 if event.start_mark else 1
        try:
            if isinstance(event, yaml.ScalarEvent):
                node = _Node(scalar_value(event), line, len(event.value) + 1, height=0, is_open=False)
                self._anchors[event.anchor] = node
                self._add(node, is_merge=event.implicit[0] and event.value == "<<")
            elif isinstance(event, yaml.CollectionStartEvent):
                self._start(event, line)
            elif isinstance(event, yaml.CollectionEndEvent):
                node = self._open.pop()
                node.is_open = False
                line = node.line
                self._add(node)
            elif isinstance(event, yaml.AliasEvent):
                self._add(self._meant(event.anchor))
        except Unusable as error:
            raise MalformedText(line, str(error)) from error

    def _start(self, event: yaml.CollectionStartEvent, line: int) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise Unusable("nested too deeply")
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", f"{TAG}{'map' if is_mapping else 'seq'}"):
            raise unsupported(event.tag)
        node = _Node({} if is_mapping else [], line)
        self._anchors[event.anchor] = node
        self._open.append(node)

    def _meant(self, anchor: str | None) -> _Node:
        """Returns the node that an alias means."""
        node = self._anchors.get(anchor)
        if node is None:
            raise Unusable(f"the alias *{anchor} has no anchor &{anchor} before it")
        if node.is_open:
            raise Unusable(f"the alias *{anchor} is inside its own anchor")
        self.aliased += node.size
        if self.aliased > MAX_ALIASED:
            raise Unusable("aliases expand to more than any manifest needs")
        if len(self._open) + node.height > MAX_DEPTH:
            raise Unusable("nested too deeply")
        return node

    def _add(self, node: _Node, *, is_merge: bool = False) -> None:
        """Adds a finished node to its parent as kubectl does: later keys win, also over an earlier merge (`<<`)."""
        if not self._open:
            self.value, self.line = node.value, node.line
            return
        parent = self._open[-1]
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)
        if isinstance(parent.value, list):
            parent.value.append(node.value)
        elif parent.key is None:
            parent.key = _MERGE if is_merge else self._key(node.value)
        else:
            parent.value.update(_merged(node.value) if parent.key is _MERGE else {parent.key: node.value})
            parent.key = None

    def _key(self, value: Any) -> str:
        """Returns a mapping key as a string, as JSON requires."""
        if isinstance(value, dict | list):
            raise Unusable("a mapping key is a mapping or a list: only scalars can be keys")
        if value is None:
            raise Unusable("a mapping key is null: only other scalars can be keys")
        key = str(value).lower() if isinstance(value, bool) else str(value)
        # If somebody joins files without `---`, only the last object would remain.
        if len(self._open) == 1 and key in _TYPE:
            if key in self._types:
                raise Unusable(f"{key} again in the same object: is a line '---' missing before it?")
            self._types.add(key)
        return key


def _merged(value: Any) -> dict[str, Any]:
    """Returns what `<<: value` adds; in a list, the first mapping wins."""
    merged: dict[str, Any] = {}
    for source in reversed(value if isinstance(value, list) else [value]):
        if not isinstance(source, dict):
            raise Unusable("the value of << is not a mapping or a list of mappings")
        merged.update(source)
    return merged


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
