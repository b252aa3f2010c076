"""Checks the limits of YAML text on its parse events, before we build values from it.

The author of a manifest must not be able to exhaust our stack or memory with nesting or aliases.
"""

from typing import Final

import yaml

from webhook.manifests.json_text import MAX_DEPTH, MalformedText

# How much aliases may add to a text, in characters and values. More is an error or an attack ("billion laughs").
MAX_ALIASED: Final = 8 * 2**20

# The parser compares each directive with all earlier ones, so its time grows with the square of their number.
_MAX_DIRECTIVES: Final = 64


class _Bounds:
    """Follows the events of a text. It measures collections and scalars as (size, height), with aliases expanded."""

    def __init__(self) -> None:
        self._open: list[tuple[str | None, int, int]] = []
        # None means that the anchored collection is still open, so an alias to it would be recursive.
        self._anchors: dict[str, tuple[int, int] | None] = {}
        self._aliased = 0

    def follow(self, event: yaml.Event) -> None:
        """Raises MalformedText if this event exceeds a bound."""
        if isinstance(event, yaml.ScalarEvent):
            self._define(event.anchor, _line(event))
            self._add(event.anchor, len(event.value) + 1, 0)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self._open) >= MAX_DEPTH:
                raise MalformedText(_line(event), "nested too deeply")
            self._define(event.anchor, _line(event))
            self._open.append((event.anchor, 1, 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._add(*self._open.pop())
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor or "", _line(event))
        elif isinstance(event, yaml.DocumentStartEvent):
            self._anchors = {}

    def _define(self, anchor: str | None, line: int) -> None:
        if anchor in self._anchors:
            # YAML allows this, but PyYAML does not.
            raise MalformedText(line, f"the anchor &{anchor} is defined twice")
        if anchor is not None:
            self._anchors[anchor] = None

    def _alias(self, name: str, line: int) -> None:
        if name not in self._anchors:
            raise MalformedText(line, f"the alias *{name} has no anchor &{name} before it")
        meant = self._anchors[name]
        if meant is None:
            raise MalformedText(line, f"the alias *{name} is inside its own anchor")
        size, height = meant
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise MalformedText(line, "aliases expand to more than any manifest needs")
        if len(self._open) + height > MAX_DEPTH:
            raise MalformedText(line, "nested too deeply")
        self._add(None, size, height)

    def _add(self, anchor: str | None, size: int, height: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (size, height)
        if self._open:
            parent, parent_size, parent_height = self._open[-1]
            self._open[-1] = (parent, parent_size + size, max(parent_height, height + 1))


def check_bounds(text: str) -> None:
    """Raises MalformedText if `text` exceeds a bound, and yaml.YAMLError if it is not YAML."""
    directives = text.count("\n%TAG") + text.startswith("%TAG")
    if directives > _MAX_DIRECTIVES:
        raise MalformedText(1, f"{directives} %TAG directives: no manifest needs more than {_MAX_DIRECTIVES}")
    bounds = _Bounds()
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        bounds.follow(event)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
