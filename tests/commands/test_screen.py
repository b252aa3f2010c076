"""What the rich console prints: whole lines off a terminal, and no foreign escape sequence or markup."""

import io
import sys

import pytest
from rich.table import Table

from webhook.commands.screen import cell, print_hanging, screen, wrapped_notice
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


def test_the_rest_of_a_wrapped_line_is_indented(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "20")

    print_hanging(screen("never", {}), 2, cell("one two three four five six seven"))

    assert out.getvalue() == "  one two three\n      four five six\n      seven\n"


@pytest.mark.parametrize(
    ("is_terminal", "expected"),
    [
        (True, "audit: left: shop/web:\n    not-to-be-cut-in-the-middle\n    now\n"),
        (False, "audit: left: shop/web: not-to-be-cut-in-the-middle now\n"),
    ],
)
def test_a_notice_is_wrapped_between_words_and_only_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, expected: str
) -> None:
    err = io.StringIO()
    monkeypatch.setattr(err, "isatty", lambda: is_terminal)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("COLUMNS", "25")

    assert wrapped_notice("audit: left: shop/web: not-to-be-cut-in-the-middle now") + "\n" == expected
