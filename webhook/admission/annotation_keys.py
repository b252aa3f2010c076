"""Recognises our annotation keys, and misspelled keys that were probably meant to be ours."""

import difflib
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Final

from webhook.admission.annotations import ROLE_ARN, SERVICE_ACCOUNT_ANNOTATIONS

# Check at most this many keys of an object: people use a handful, and the check is slower than a decision on a pod.
_LOOKED_AT: Final = 64
_MAX_REMEMBERED: Final = 4096
# The longest qualified name: prefix, slash and name.
_MAX_KEY: Final = 253 + 1 + 63


class AnnotationKeys:
    """The annotation keys with one prefix."""

    def __init__(self, own_prefix: str) -> None:
        self._prefix = own_prefix
        self._known = frozenset(own_prefix + name for name in SERVICE_ACCOUNT_ANNOTATIONS)
        self._by_letters = {_letters(name): name for name in SERVICE_ACCOUNT_ANNOTATIONS}
        # Caches keys that are neither ours nor meant to be: most pods have the same few.
        self._others: set[str] = set()

    def concern_none(self, keys: Collection[str]) -> bool:
        """Whether no key is ours, and none was meant to be."""
        # Hot path: for nearly all pods, this one call is enough.
        if self._others.issuperset(keys):
            return True
        return len(keys) <= _LOOKED_AT and all(self._is_other(key) for key in keys)

    def meant(self, keys: Iterable[str]) -> tuple[str, str] | None:
        """Returns the first key that resembles one of ours (`role_arn`, another prefix), and our name; else None."""
        for key in islice(keys, _LOOKED_AT):
            if key in self._others or key in self._known:
                continue
            name = self._meant(key)
            if name is not None:
                return key, name
        return None

    def _is_other(self, key: str) -> bool:
        if key in self._others:
            return True
        if key in self._known or self._meant(key) is not None:
            return False
        if len(self._others) < _MAX_REMEMBERED and len(key) <= _MAX_KEY:
            self._others.add(key)
        return True

    def _meant(self, key: str) -> str | None:
        if len(key) > _MAX_KEY:
            return None
        prefix, slash, ending = key.rpartition("/")
        name = self._by_letters.get(_letters(ending))
        if prefix + slash == self._prefix:
            if name is None:
                name = next(iter(difflib.get_close_matches(ending.lower(), SERVICE_ACCOUNT_ANNOTATIONS, 1, 0.8)), None)
            return name
        # Under another prefix, names such as `audience` and `token-expiration` may belong to other software.
        return name if name == ROLE_ARN else None


def _letters(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalpha())
