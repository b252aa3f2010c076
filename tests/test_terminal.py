"""What commands print: foreign text reaches no terminal as it is."""

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from webhook.cli import main
from webhook.terminal import EscapingStream, escaped, one_line

# A terminal's command, an override of the writing direction, a zero-width blank, a C1 control, a line separator.
EVIL = "\x1b[2J\x1b]0;owned\x07\u202e\u200b\x9b31m\u2028\x7f"
OURS = re.compile(r"\x1b\[(?:0|1|31|32|33|36)m")


def is_harmless(text: str) -> bool:
    return OURS.sub("", text).replace("\n", "").isprintable()


@given(st.text())
def test_what_is_escaped_is_harmless_and_lines_stay(text: str) -> None:
    assert is_harmless(escaped(text))
    assert escaped(text).count("\n") == text.count("\n")
    assert "\n" not in one_line(text)
    assert escaped(escaped(text)) == escaped(text)


def test_each_kind_is_written_as_its_code() -> None:
    assert escaped("a\x1b\x7f\x9b\u202e\U000e0001\nb\té") == "a\\x1b\\u007f\\u009b\\u202e\\U000e0001\nb\\x09é"


def test_a_stream_escapes_all_but_what_is_ours() -> None:
    target = io.StringIO()
    stream = EscapingStream(target)
    print("\x1b[31mforeign\x1b[0m", file=stream)
    stream.write_styled("\x1b[31mours\x1b[0m")
    assert target.getvalue() == "\\x1b[31mforeign\\x1b[0m\n\x1b[31mours\x1b[0m"
    assert stream.isatty() is False


def pod(**metadata: Any) -> dict[str, Any]:
    spec = {"serviceAccountName": "app", "containers": [{"name": "main", "image": f"i{EVIL}"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


ACCOUNT = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "app", "annotations": {"eks.amazonaws.com/role-arn": f"arn:{EVIL}"}},
}


def manifest(*objects: Any) -> str:
    return "---\n".join(json.dumps(value) + "\n" for value in objects)


NAMED = manifest(pod(name=f"p{EVIL}\nforged", annotations={f"k{EVIL}": EVIL}, labels={"l": EVIL}), ACCOUNT)
SOURCES: dict[str, Callable[[Path], list[str]]] = {
    "names and values": lambda folder: ["replay", write(folder / "a.yaml", NAMED)],
    "names and values, as a pod": lambda folder: ["replay", "-o", "pod", write(folder / "a.yaml", NAMED)],
    "names and values, as a patch": lambda folder: ["replay", "-o", "patch", write(folder / "a.yaml", NAMED)],
    "names and values, as a review": lambda folder: ["replay", "-o", "review", write(folder / "a.yaml", NAMED)],
    "a tag": lambda folder: ["replay", write(folder / "a.yaml", "a: !<x%1B%5B2J> b\n")],
    "a tag of a directive": lambda folder: ["replay", write(folder / "a.yaml", '%TAG !e! "%1B"\n---\na: !e!x%1B b\n')],
    "a kind": lambda folder: ["replay", write(folder / "a.yaml", manifest({"apiVersion": "v1", "kind": EVIL}))],
    "a wrong member": lambda folder: [
        "replay",
        write(
            folder / "a.yaml", manifest({"apiVersion": "v1", "kind": "Pod", "metadata": {f"{EVIL}": 1}, "spec": EVIL})
        ),
    ],
    "a file's name": lambda folder: ["replay", write(folder / f"a{EVIL}\nforged.yaml", "x")],
    "a file that is not there": lambda folder: ["replay", str(folder / f"{EVIL}\nforged")],
    "a verb": lambda _: [f"{EVIL}"],
    "a flag": lambda _: ["replay", f"--{EVIL}"],
    "a flag's value": lambda _: ["serve", f"--port={EVIL}"],
    "an address": lambda _: ["replay", "--url", f"https://{EVIL}/", "-"],
    "a kubeconfig": lambda folder: [
        "certs",
        "show",
        "--kubeconfig",
        write(folder / f"k{EVIL}", f"current-context: '{EVIL}'"),
    ],
    "a golden file": lambda folder: [
        "replay",
        "--expect",
        str(Path(write(folder / "golden" / "a.diff", f"{EVIL}\n")).parent),
        write(folder / "a.yaml", NAMED),
    ],
}


def write(path: Path, text: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("colours", [False, True])
def test_no_foreign_text_reaches_the_terminal_as_it_is(
    source: str,
    colours: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    argv = SOURCES[source](tmp_path)
    if colours:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    main(argv, {"HOME": str(tmp_path)})
    printed = capsys.readouterr()
    assert printed.out + printed.err
    for text in (printed.out, printed.err):
        assert is_harmless(text), ascii(text)
        assert not any(line.startswith("forged") for line in text.splitlines())


def test_what_a_program_reads_means_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given_pod = pod(name="p", annotations={"k": EVIL, "\u202e": "ü"})
    main(["replay", "-o", "pod", write(tmp_path / "a.yaml", manifest(given_pod, ACCOUNT))], {})
    out = capsys.readouterr().out
    assert is_harmless(out)
    after = yaml.safe_load(out)
    assert after["metadata"]["annotations"] == given_pod["metadata"]["annotations"]
    assert after["spec"]["containers"][0]["image"] == given_pod["spec"]["containers"][0]["image"]
