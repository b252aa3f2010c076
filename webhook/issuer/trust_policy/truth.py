"""Logic with three values (Kleene's): True, False, and None for what cannot be known here."""

from collections.abc import Iterable
from typing import TypeAlias

Truth: TypeAlias = bool | None
"""True, False, or None if it cannot be known."""


def all_of(truths: Iterable[Truth]) -> Truth:
    """Returns False if one is False, else None if one is unknown, else True."""
    known = list(truths)
    if False in known:
        return False
    return None if None in known else True


def any_of(truths: Iterable[Truth]) -> Truth:
    """Returns True if one is True, else None if one is unknown, else False."""
    known = list(truths)
    if True in known:
        return True
    return None if None in known else False


def negated(truth: Truth) -> Truth:
    """Returns the opposite; the opposite of unknown is unknown."""
    return None if truth is None else not truth
