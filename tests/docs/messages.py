"""Reads docs/troubleshooting.md: each entry of its index, the messages that it quotes, and how it proves the cause.

In quotes, `…` stands for any text. This page is the only place that states the messages; tests make each of them.
"""

import re
from dataclasses import dataclass
from typing import Final

from tests.docs.pages import ROOT

PAGE: Final = ROOT / "docs/troubleshooting.md"
_PART: Final = re.compile(r"^\*\*(Cause|Proof|Mend)\.\*\* ", re.MULTILINE)
_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDEX_LINE: Final = re.compile(r"^- \[(.+)\]\(#(.+)\)(?:: .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Shown:
    """A command, and the lines that it prints among others."""

    command: str
    output: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One entry. `messages` has one line for each wording; the oldest Kubernetes' is the first, the newest's the last.

    `parts` are the names of its parts, in their order.
    """

    title: str
    messages: tuple[str, ...]
    parts: tuple[str, ...]
    proofs: tuple[Shown, ...]


def entries() -> dict[str, Entry]:
    """Returns the entries of the page by their titles."""
    text = PAGE.read_text(encoding="utf-8")
    sections = [section.split("\n### ")[1:] for section in text.split("\n## ")]
    found = [_entry(*section.split("\n", 1)) for group in sections for section in group]
    return {entry.title: entry for entry in found}


def index() -> list[tuple[str, str]]:
    """Returns the entries of the index at the top of the page, each with its anchor."""
    return _INDEX_LINE.findall(PAGE.read_text(encoding="utf-8").partition("\n## ")[0])


def shown_commands() -> set[str]:
    """Returns the commands in all blocks of the page, also outside its entries."""
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return {line for language, block in blocks if not language for line in block.splitlines()}


def is_quoted(quote: str, said: str) -> bool:
    """Whether a program's message is the quoted one."""
    pattern = ".*".join(re.escape(part) for part in quote.split("…"))
    return re.fullmatch(pattern, said, re.DOTALL) is not None


def missing_line(shown: Shown, printed: str) -> str:
    """Returns the first shown line that is not in the output after the lines before it; empty if all are."""
    lines = iter(" ".join(line.split()) for line in printed.splitlines())
    for wanted in shown.output:
        if not any(is_quoted(" ".join(wanted.split()), line) for line in lines):
            return wanted
    return ""


def _entry(title: str, text: str) -> Entry:
    said, *rest = _PART.split(text)
    parts = dict(zip(rest[::2], rest[1::2], strict=True))
    messages = [line for language, block in _BLOCK.findall(said) if language == "text" for line in block.splitlines()]
    return Entry(title, tuple(messages), tuple(rest[::2]), _proofs(parts.get("Proof", "")))


def _proofs(text: str) -> tuple[Shown, ...]:
    found: list[Shown] = []
    for language, block in _BLOCK.findall(text):
        lines = tuple(line for line in block.splitlines() if line.strip())
        if language == "text":
            found[-1] = Shown(found[-1].command, lines)
        else:
            found += [Shown(line, ()) for line in lines]
    return tuple(found)
