"""What the lint finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake: the rule that it breaks, the JSON path, what is wrong, and the fix."""

    rule: str
    path: str
    what: str
    fix: str
