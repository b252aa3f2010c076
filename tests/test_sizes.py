"""The limits of CONTRIBUTING.md: a file, a function and a room that outgrow them get split, by subject."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path
    for folder in ("webhook", "certs", "tests", "charts", "bench", "docs", "examples", "image")
    for path in (ROOT / folder).rglob("*.py")
)


def too_long(tree: ast.AST, limit: int) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > limit:
                yield f"{node.name}: {lines}"


def test_no_file_has_more_than_350_lines_and_no_function_more_than_50() -> None:
    found = {}
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        problems = [*([f"{lines} lines"] if lines > 350 else []), *too_long(ast.parse(text), 50)]
        if problems:
            found[str(path.relative_to(ROOT))] = problems
    assert found == {}


@pytest.mark.parametrize("room", ["webhook/server", "webhook/commands"])
def test_at_most_16_python_files_stand_side_by_side(room: str) -> None:
    crowded = {
        folder: len(files)
        for folder in [ROOT / room, *(path for path in (ROOT / room).rglob("*") if path.is_dir())]
        if len(files := [*folder.glob("*.py")]) > 16
    }
    assert crowded == {}
