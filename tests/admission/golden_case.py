"""The folders of tests/golden: the base is a whole case, and every other folder holds only what differs from it.

A file that a folder does not have is the base's. `review.patch.json` and `given.patch.json` are JSON merge patches (RFC
7386) on the base's file. A case has a whole `review.json` or `given.json` only if no merge patch makes it: a member is
null, or the members are in another order. `UPDATE_GOLDEN=1 pytest tests/admission/test_golden.py` writes the answers
anew, and every file in its shortest form.
"""

import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent.parent / "golden"
BASE = "base"
INPUTS = ("review", "given")

JSON = dict[str, Any]


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def shortest_patch(base: Any, whole: Any) -> Any:
    """The merge patch that makes `whole` of `base`, or None if none makes it to the byte."""
    patch = _difference(base, whole)
    return patch if encoded(merged(base, patch)) == encoded(whole) else None


def _difference(base: Any, whole: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(whole, dict)):
        return whole
    gone = {name: None for name in base if name not in whole}
    return gone | {
        name: _difference(base.get(name), value)
        for name, value in whole.items()
        if name not in base or encoded(base[name]) != encoded(value)
    }


def encoded(document: Any) -> str:
    """A document as the files have it: members keep their order."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


class GoldenCase:
    """A folder of tests/golden, by its name."""

    def __init__(self, name: str, golden: Path = GOLDEN) -> None:
        self.folder, self._base = golden / name, golden / BASE

    @property
    def review(self) -> JSON:
        """The AdmissionReview that comes."""
        return self._input("review")

    @property
    def given(self) -> JSON:
        """What the webhook knew when it came."""
        return self._input("given")

    @property
    def response(self) -> str:
        """The whole answer as its file has it, with the patch decoded."""
        return self._own_or_base("response.json")

    @property
    def reason(self) -> str:
        """The reason of the decision, and the end of its line."""
        return self._own_or_base("reason.txt")

    def write_answer(self, response: JSON, reason: str) -> None:
        """Writes an answer that differs from the one that is expected, and every file in its shortest form."""
        expected = self.response if json.loads(self.response) == response else encoded(response)
        files = self._shortest_files(expected, f"{reason}\n")
        for path in self.folder.iterdir():
            path.unlink()
        for name, text in files.items():
            (self.folder / name).write_text(text, encoding="utf-8")

    def needless_files(self) -> list[str]:
        """Those that repeat the base, or that no case has."""
        shortest = self._shortest_files(self.response, self.reason)
        return sorted(
            f"{self.folder.name}/{path.name}"
            for path in self.folder.iterdir()
            if _text(path) != shortest.get(path.name)
        )

    def _shortest_files(self, response: str, reason: str) -> dict[str, str]:
        files = {"response.json": response, "reason.txt": reason}
        if self.folder == self._base:
            return files | {f"{name}.json": encoded(self._input(name)) for name in INPUTS}
        files = {name: text for name, text in files.items() if text != _text(self._base / name)}
        for name in INPUTS:
            whole = self._input(name)
            patch = shortest_patch(self._base_input(name), whole)
            if patch is None:
                files[f"{name}.json"] = encoded(whole)
            elif patch:
                files[f"{name}.patch.json"] = encoded(patch)
        return files

    def _input(self, name: str) -> JSON:
        patch = self.folder / f"{name}.patch.json"
        if not patch.exists():
            document: JSON = json.loads(self._own_or_base(f"{name}.json"))
            return document
        patched: JSON = merged(self._base_input(name), json.loads(_text(patch)))
        return patched

    def _base_input(self, name: str) -> JSON:
        document: JSON = json.loads(_text(self._base / f"{name}.json"))
        return document

    def _own_or_base(self, name: str) -> str:
        own = self.folder / name
        return _text(own if own.exists() else self._base / name)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
