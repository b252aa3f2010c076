"""Writes the table of values in the chart's README.md, from values.yaml and its comments.

`--check` only compares. A comment belongs to the key below it. A map is one row, unless its keys have comments.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

CHART = Path(__file__).parent / "pod-identity-webhook"
_BEGIN = "<!-- values: written by `make docs` from the comments in values.yaml -->\n"
_END = "<!-- /values -->\n"


@dataclass(frozen=True)
class Value:
    """One value: its dotted path, its default, and its comment."""

    path: str
    default: object
    comment: str


def values(text: str) -> Iterator[Value]:
    """All values of a values.yaml, in the order of the file."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("values.yaml is not a map")
    yield from _values(root, "", text.splitlines())


def comments(text: str) -> dict[str, str]:
    """The comments of a values.yaml by dotted path, also those of maps."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("values.yaml is not a map")
    return {path: comment for path, line in _lines(root, "") if (comment := _comment(line, text.splitlines()))}


def _lines(node: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, int]]:
    for key, value in node.value:
        yield prefix + key.value, key.start_mark.line
        if isinstance(value, yaml.MappingNode):
            yield from _lines(value, f"{prefix}{key.value}.")


def _values(node: yaml.MappingNode, prefix: str, lines: list[str]) -> Iterator[Value]:
    for key, value in node.value:
        path = prefix + key.value
        if isinstance(value, yaml.MappingNode) and _has_comments(value, lines):
            yield from _values(value, f"{path}.", lines)
        else:
            default = yaml.SafeLoader("").construct_document(value)
            yield Value(path, default, _comment(key.start_mark.line, lines))


def _has_comments(node: yaml.MappingNode, lines: list[str]) -> bool:
    return any(
        _comment(key.start_mark.line, lines) or (isinstance(value, yaml.MappingNode) and _has_comments(value, lines))
        for key, value in node.value
    )


def _comment(line: int, lines: list[str]) -> str:
    """The comment directly above a line."""
    found: list[str] = []
    while line > 0 and (above := lines[line - 1].strip()).startswith("#"):
        found.insert(0, above.lstrip("#").strip())
        line -= 1
    return " ".join(found)


def table(text: str) -> str:
    """The values as a Markdown table."""
    rows = [
        f"| `{value.path}` | `{json.dumps(value.default)}` | {value.comment} |".replace("| `null` |", "| |")
        for value in values(text)
    ]
    return "\n".join(["| value | default | what |", "| --- | --- | --- |", *rows]) + "\n"


def page(readme: str, values_text: str) -> str:
    """The README with a new table of these values."""
    before, _, rest = readme.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{table(values_text)}\n{_END}{after}"


def main(arguments: list[str]) -> int:
    """Writes the table; with `--check`, returns 1 if it is out of date."""
    file = CHART / "README.md"
    old = file.read_text(encoding="utf-8")
    new = page(old, (CHART / "values.yaml").read_text(encoding="utf-8"))
    if "--check" in arguments:
        return int(old != new)
    file.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
