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


def cost(make: Callable[[int], str], count: int) -> float:
    """Returns the CPU time of one reading in seconds: the minimum of three."""
    text = make(count).encode()
    times = []
    # Disable the collector: when it runs depends on all objects in the test process.
    gc.disable()
    for _ in range(3):
        started = time.process_time()
        with suppress(ManifestError):
            read_documents(text, "a.yaml")
        times.append(time.process_time() - started)
    gc.enable()
    return min(times)


@pytest.mark.parametrize("name", TEXTS)
def test_four_times_the_text_costs_about_four_times(name: str) -> None:
    make = TEXTS[name]
    # Quadratic cost would be 16 times.
    assert cost(make, 12_000) <= 9 * max(cost(make, 3_000), 0.001)


def test_many_directives_are_refused_before_parsing() -> None:
    with pytest.raises(ManifestError) as caught:
        read_documents(TEXTS["directives"](65).encode(), "a.yaml")
    assert str(caught.value) == "a.yaml, line 1: 65 %TAG directives: no manifest needs more than 64"
    assert len(read_documents(TEXTS["directives"](64).encode(), "a.yaml")) == 1
