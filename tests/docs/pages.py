"""Reads commands, tables and code from the documentation."""

import re
import shlex
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")


def commands(page: Path, heading: str = "") -> list[str]:
    """Returns the command lines in a page's fenced blocks without a language; leaves out comments."""
    text = page.read_text(encoding="utf-8")
    if heading:
        _, found, text = text.partition(f"\n## {heading}\n")
        assert found, f"{page.name} has no section {heading!r}"
        text = text.partition("\n## ")[0]
    blocks = [block for language, block in _FENCED.findall(text) if not language]
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return [shlex.join(shlex.split(line, comments=True)).replace("'|'", "|").replace("'>'", ">") for line in lines]


def anchors(page: Path) -> set[str]:
    """Returns the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table(page: str, heading: str) -> list[list[str]]:
    """Returns the rows of the tables under a heading, without the header rows. Each row is a list of cells."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    _, found, section = text.partition(f"\n## {heading}\n")
    assert found, f"{page} has no section {heading!r}"
    tables = [list(lines) for is_row, lines in groupby(_lines(section), lambda line: line.startswith("|")) if is_row]
    return [[cell.strip() for cell in row.strip("|").split("|")] for rows in tables for row in rows[2:]]


def yaml_objects(page: str, heading: str) -> list[dict[str, Any]]:
    """The objects in the YAML blocks under a heading."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    _, found, section = text.partition(f"\n## {heading}\n")
    assert found, f"{page} has no section {heading!r}"
    blocks = _FENCED.findall(section.partition("\n## ")[0])
    return [one for language, block in blocks if language == "yaml" for one in yaml.safe_load_all(block)]


def _lines(section: str) -> list[str]:
    return section.partition("\n## ")[0].splitlines()


def quoted(text: str) -> list[str]:
    """Returns the texts in backticks."""
    return _CODE.findall(text)
