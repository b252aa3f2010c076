"""Two clicks from the README to each message: the page's index has them all, and each has cause, proof and mend.

tests/e2e makes the messages and runs the proofs.
"""

import re

import pytest

from tests.docs.messages import Entry, Shown, entries, index, is_quoted, missing_line, shown_commands
from tests.docs.pages import ROOT

# The words that people paste. Each must be in a line of the index.
SEARCHED = (
    "x509: certificate signed by unknown authority",
    "certificate is valid for",
    "context deadline exceeded",
    "connection refused",
    "no endpoints available for service",
    "EOF",
    "failed calling webhook",
    "could not get token",
    "AccessDenied",
    "Unable to locate credentials",
    "no AWS_ROLE_ARN",
    "No OpenIDConnect provider found",
    "Couldn't retrieve verification key",
    "Incorrect token audience",
    "node's role",
    "You must specify a region",
    "No such file or directory",
    "ExpiredTokenException",
    "MountVolume.SetUp failed",
)


def test_the_readme_links_to_the_page() -> None:
    assert "](docs/troubleshooting.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_index_has_every_entry_in_its_order() -> None:
    assert [title for title, _ in index()] == list(entries())


@pytest.mark.parametrize(("title", "anchor"), index(), ids=[anchor for _, anchor in index()])
def test_an_index_line_leads_to_its_own_entry(title: str, anchor: str) -> None:
    # As GitHub makes it from a heading; the links' test checks that the heading is there.
    assert anchor == re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("words", SEARCHED)
def test_the_words_that_people_paste_are_in_the_index(words: str) -> None:
    assert [title for title, _ in index() if words in title]


@pytest.mark.parametrize("entry", entries().values(), ids=list(entries()))
def test_an_entry_has_cause_proof_and_mend(entry: Entry) -> None:
    assert entry.parts == ("Cause", "Proof", "Mend")
    assert entry.proofs
    assert entry.proofs[-1].output


@pytest.mark.parametrize("entry", entries().values(), ids=list(entries()))
def test_a_message_has_the_words_of_its_title(entry: Entry) -> None:
    words = [part.strip() for part in entry.title.split("…") if part.strip(" ,/")]
    is_symptom = entry.title.startswith(("no AWS_ROLE_ARN", "the node's role"))

    assert is_symptom or entry.messages
    assert [
        message for message in entry.messages if not is_symptom and not all(word in message for word in words)
    ] == []


def test_every_command_of_the_page_is_one_that_tests_run() -> None:
    assert shown_commands() == {proof.command for entry in entries().values() for proof in entry.proofs}


@pytest.mark.parametrize(
    ("quote", "said", "is_it"),
    [
        ("EOF", "EOF", True),
        ("a … c", "a b c", True),
        ("a … c", "a b c d", False),
        ("a.c", "abc", False),
    ],
)
def test_a_quote_is_the_whole_message_but_for_what_varies(quote: str, said: str, is_it: bool) -> None:
    assert is_quoted(quote, said) is is_it


def test_shown_lines_are_found_in_their_order_and_whatever_the_columns_width() -> None:
    shown = Shown("x", ("NAME AGE", "web …"))

    assert missing_line(shown, "NAME     AGE\nother  1s\nweb    2s\n") == ""
    assert missing_line(shown, "web    2s\nNAME     AGE\n") == "web …"
