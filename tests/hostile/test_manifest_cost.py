"""The cost of the worst manifests: it is proportional to their length, or they are refused."""

import gc
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from webhook.errors import ManifestError
from webhook.manifests.documents import read_documents

TEXTS: dict[str, Callable[[int], str]] = {
    "documents": lambda n: "---\n" * n,
    "comments": lambda n: "#\n" * n,
    "directives": lambda n: "".join(f"%TAG !a{i}! b\n" for i in range(n)) + "---\na: 1\n",
    "unknown directives": lambda n: "".join(f"%A{i} b\n" for i in range(n)) + "---\na: 1\n",
    "keys": lambda n: "".join(f"k{i}: v\n" for i in range(n)),
    "the same key": lambda n: "k: v\n" * n,
    "items": lambda n: "a:\n" + "- b\n" * n,
    "flow items": lambda n: "a: [" + "b," * n + "]\n",
    "flow keys": lambda n: "{" + "".join(f"k{i}: v," for i in range(n)) + "}\n",
    "open lists": lambda n: "[" * n,
    "open maps": lambda n: "{a: " * n,
    "deep blocks": lambda n: "\n".join(" " * i + "a:" for i in range(150)) + "\n" + " " * 150 + "- b\n" * (n // 100),
    "anchors": lambda n: "".join(f"- &a{i} b\n" for i in range(n)),
    "aliases": lambda n: "a: &a [b]\nc:\n" + "- *a\n" * n,
    "merges": lambda n: "a: &a {b: c}\nd:\n" + "- <<: *a\n" * n,
    "a long word": lambda n: "a: " + "b" * n,
    "a long line of words": lambda n: "a: " + "b " * n,
    "a quoted line": lambda n: 'a: "' + "\\u0041" * n + '"\n',
    "a block": lambda n: "a: |\n" + "  b\n" * n,
    "a folded block": lambda n: "a: >\n" + "  b\n\n" * n,
    "blank lines": lambda n: "a: |\n" + "\n" * n + "  b\n",
    "question marks": lambda n: "? " * n,
    "dashes": lambda n: "- " * n,
    "digits": lambda n: "a: " + "1" * n,
    "JSON digits": lambda n: '{"a": ' + "1" * n + "}",
    "JSON values": lambda n: "{}" * n,
    "JSON lists": lambda n: "[" * n,
    "JSON strings": lambda n: '{"a": "' + "\\ud83d\\ude00" * n + '"}',
    "items of a List": lambda n: "kind: List\napiVersion: v1\nitems:\n" + "- {kind: A, apiVersion: v1}\n" * n,
}


def cost(text: bytes) -> float:
    """Returns the CPU time of one reading in seconds."""
    # Disable the collector: when it runs depends on all objects in the test process.
    gc.disable()
    started = time.process_time()
    with suppress(ManifestError):
        read_documents(text, "a.yaml")
    spent = time.process_time() - started
    gc.enable()
    return spent


@pytest.mark.parametrize("name", TEXTS)
def test_four_times_the_text_costs_about_four_times(name: str) -> None:
    small, large = (TEXTS[name](count).encode() for count in (3_000, 12_000))
    # Quadratic cost would be 16 times. Other programs can slow down a reading, so the fastest of three may count.
    smalls, larges = [], []
    for _ in range(3):
        smalls.append(cost(small))
        larges.append(cost(large))
        if min(larges) <= 9 * max(min(smalls), 0.001):
            return
    raise AssertionError(f"3,000: {smalls} s; 12,000: {larges} s")


def test_many_directives_are_refused_before_parsing() -> None:
    with pytest.raises(ManifestError) as caught:
        read_documents(TEXTS["directives"](65).encode(), "a.yaml")
    assert str(caught.value) == "a.yaml, line 1: 65 %TAG directives: no manifest needs more than 64"
    assert len(read_documents(TEXTS["directives"](64).encode(), "a.yaml")) == 1
