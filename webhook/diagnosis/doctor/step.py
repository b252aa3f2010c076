"""One step of `doctor`: whether a link of the chain holds, what was found, and the one thing to do next."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["ok", "failed", "skipped", "unknown"]
"""`unknown`: it could not be seen from here, for a reason such as a missing right. `skipped`: it makes no sense now."""

PAGE = "docs/troubleshooting.md"


@dataclass(frozen=True, slots=True)
class Step:
    """The result of one step.

    `name` is its stable ID, `title` the requirement as a short phrase. `next` is what to do; it is empty if there is
    nothing to do. `anchor` is the section of the page `PAGE` about a failure, set only if the step failed.
    """

    name: str
    title: str
    status: Status
    found: str
    next: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A step before it is answered. `anchor` is the section of `PAGE` about most of its failures."""

    name: str
    title: str
    anchor: str

    def ok(self, found: str) -> Step:
        """It holds."""
        return Step(self.name, self.title, "ok", found)

    def failed(self, found: str, then: str, anchor: str = "") -> Step:
        """It does not hold; `then` is what to do, `anchor` the section if it is another than usual."""
        return Step(self.name, self.title, "failed", found, then, anchor or self.anchor)

    def skipped(self, reason: str) -> Step:
        """It makes no sense to ask."""
        return Step(self.name, self.title, "skipped", reason)

    def unknown(self, reason: str, then: str = "") -> Step:
        """It could not be seen; `then` is what would show it."""
        return Step(self.name, self.title, "unknown", reason, then)
