"""What the rich console prints: whole lines off a terminal, and no foreign escape sequence or markup."""

import io
import sys

import pytest
from rich.table import Table

from webhook.commands.screen import cell, screen
from webhook.terminal import escaping


def printed(colour: str, *cells: str) -> str:
    out = io.StringIO()
    table = Table(box=None, show_header=False, padding=0)
    table.add_row(*(cell(text, "red") for text in cells))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        with escaping(sys.stdout, io.StringIO()):
            screen(colour, {}).print(table)
    return out.getvalue()


def test_off_a_terminal_nothing_is_wrapped_or_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    text = "a word " * 500

    assert printed("auto", text) == f"{text}\n"


def test_foreign_text_is_neither_markup_nor_an_escape_sequence() -> None:
    assert printed("auto", "[red]\x1b[31m:smile:") == "[red]\\x1b[31m:smile:\n"


def test_colours_are_rich_s_own() -> None:
    assert printed("always", "no\x1b[32m") == "\x1b[31mno\\x1b[32m\x1b[0m\n"
