"""One requirement of STS or IAM on an issuer: whether it holds, what was found, and the fix."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Check:
    """The result of checking one requirement.

    `name` is its stable ID in JSON, `requirement` a short phrase for people. `found` says what is there, or why the
    check was skipped. `fix` says what to do; it is empty unless the check failed.
    """

    name: str
    requirement: str
    outcome: Literal["ok", "failed", "skipped"]
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A requirement before it is checked."""

    name: str
    phrase: str

    def ok(self, found: str) -> Check:
        """It holds."""
        return Check(self.name, self.phrase, "ok", found)

    def failed(self, found: str, fix: str) -> Check:
        """It does not hold."""
        return Check(self.name, self.phrase, "failed", found, fix)

    def skipped(self, reason: str) -> Check:
        """It makes no sense to check it."""
        return Check(self.name, self.phrase, "skipped", reason)


def all_skipped(requirements: Iterable[Requirement], reason: str) -> list[Check]:
    """Returns a skipped check for each requirement, for the same reason."""
    return [requirement.skipped(reason) for requirement in requirements]


def listed(words: Iterable[str], limit: int = 5) -> str:
    """Returns foreign words for a sentence, each quoted and cut, and at most `limit` of them."""
    known = list(words)
    more = f" and {len(known) - limit} more" if len(known) > limit else ""
    return ", ".join(shown(word) for word in known[:limit]) + more


def shown(text: str) -> str:
    """Returns foreign text for a sentence: quoted, and cut if it is long."""
    return repr(text if len(text) <= 300 else text[:300] + "…")
