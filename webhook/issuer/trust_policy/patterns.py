"""Values of a policy as patterns: wildcards and policy variables.

Source: "IAM policy elements: Variables and tags" in IAM's user guide. `${*}`, `${?}` and `${$}` are the characters
themselves; `${key}` is the value of a condition key, and `${key, 'default'}` has a default for a missing one.
"""

import enum
import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from webhook.issuer.trust_policy.request import Request

_VARIABLE: Final = re.compile(r"\$\{([^{}]*)\}")
_DEFAULTED: Final = re.compile(r"\s*([^,\s]+)\s*,\s*'([^']*)'\s*")
_ITSELF: Final = frozenset("*?$")


class Wildcard(enum.Enum):
    """A wildcard in a pattern."""

    ANY = "*"
    ONE = "?"


Part: TypeAlias = str | Wildcard


@dataclass(frozen=True, slots=True)
class Pattern:
    """A value with its variables resolved; or the reason why it cannot be.

    `unresolved` is a variable without a value: the pattern matches nothing. `unknown` says why a value is not known.
    """

    parts: tuple[Part, ...] = ()
    unresolved: str = ""
    unknown: str = ""

    @property
    def text(self) -> str:
        """The pattern as text, wildcards as `*` and `?`."""
        return "".join(part if isinstance(part, str) else part.value for part in self.parts)

    def matches(self, value: str) -> bool:
        """Whether the whole of `value` matches."""
        return matches_parts(self.parts, value)


def compiled(text: str, request: Request, *, has_variables: bool, has_wildcards: bool) -> Pattern:
    """Returns the pattern of a policy's value for a request."""
    if not has_variables:
        return Pattern(tuple(_split_wildcards(text)) if has_wildcards else (text,))
    parts: list[Part] = []
    position = 0
    for match in _VARIABLE.finditer(text):
        literal = text[position : match.start()]
        parts += _split_wildcards(literal) if has_wildcards else [literal]
        position = match.end()
        if match[1] in _ITSELF:
            parts.append(match[1])
            continue
        resolved = _resolved(match[1], request)
        if isinstance(resolved, Pattern):
            return resolved
        if has_wildcards and not {"*", "?"}.isdisjoint(resolved):
            return Pattern(unknown=f"IAM does not document how it reads the wildcard in the value of {match[0]}")
        parts.append(resolved)
    parts += _split_wildcards(text[position:]) if has_wildcards else [text[position:]]
    return Pattern(tuple(parts))


def has_wildcard(text: str) -> bool:
    """Whether `*` or `?` is in `text`, outside of `${*}` and `${?}`."""
    return not {"*", "?"}.isdisjoint(_VARIABLE.sub("", text))


def literal_pattern(text: str, *, has_variables: bool) -> tuple[Part, ...]:
    """Returns the parts of a value without variables of the request; adjoining texts are one part."""
    parts: list[Part] = []
    for part in _literal_parts(text, has_variables=has_variables):
        if parts and isinstance(part, str) and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    return tuple(parts)


def variables_in(text: str) -> list[str]:
    """Returns the `${…}` in `text`."""
    return [match[0] for match in _VARIABLE.finditer(text)]


def glob_matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """Whether `value` matches `pattern`, with `*` and `?` as wildcards and no variables."""
    if ignore_case:
        pattern, value = pattern.lower(), value.lower()
    return matches_parts(tuple(_split_wildcards(pattern)), value)


def components(parts: tuple[Part, ...], count: int) -> list[tuple[Part, ...]] | None:
    """Splits a pattern at its first `count - 1` colons; None if it has fewer."""
    split: list[list[Part]] = [[]]
    for part in parts:
        if isinstance(part, Wildcard):
            split[-1].append(part)
            continue
        first, *others = part.split(":", count - len(split))
        split[-1].append(first)
        split += [[other] for other in others]
    return [tuple(each) for each in split] if len(split) == count else None


def _literal_parts(text: str, *, has_variables: bool) -> list[Part]:
    if not has_variables:
        return _split_wildcards(text)
    parts: list[Part] = []
    position = 0
    for match in _VARIABLE.finditer(text):
        parts += [*_split_wildcards(text[position : match.start()]), match[1]]
        position = match.end()
    return [*parts, *_split_wildcards(text[position:])]


def _resolved(variable: str, request: Request) -> str | Pattern:
    """Returns the text of a variable, or the pattern that says why it has none."""
    defaulted = _DEFAULTED.fullmatch(variable)
    key, default = (defaulted[1], defaulted[2]) if defaulted else (variable.strip(), None)
    values = request.values_of(key)
    if values is None:
        return Pattern(unknown=f"the value of {key} is not known here")
    if len(values) == 1:
        return values[0]
    if not values and default is not None:
        return default
    return Pattern(unresolved=f"${{{variable}}}")


def _split_wildcards(text: str) -> list[Part]:
    return [Wildcard(part) if part in ("*", "?") else part for part in re.split(r"([*?])", text) if part]


def matches_parts(parts: tuple[Part, ...], value: str) -> bool:
    """Whether the whole of `value` matches the parts of a pattern.

    Compares piece by piece between the `*`: the first place of each piece is as good as any later one. One regular
    expression for the whole would take exponential time for some patterns.
    """
    pieces: list[list[Part]] = [[]]
    for part in parts:
        if part is Wildcard.ANY:
            pieces.append([])
        else:
            pieces[-1].append(part)
    first, *middle = pieces
    if not _fits_at(first, value, 0):
        return False
    position = _length(first)
    if not middle:
        return position == len(value)
    for piece in middle[:-1]:
        position = _find(piece, value, position)
        if position < 0:
            return False
        position += _length(piece)
    start = len(value) - _length(middle[-1])
    return start >= position and _fits_at(middle[-1], value, start)


def _length(piece: list[Part]) -> int:
    return sum(len(part) if isinstance(part, str) else 1 for part in piece)


def _fits_at(piece: list[Part], value: str, position: int) -> bool:
    for part in piece:
        if isinstance(part, str) and not value.startswith(part, position):
            return False
        position += len(part) if isinstance(part, str) else 1
    return position <= len(value)


def _find(piece: list[Part], value: str, position: int) -> int:
    """Returns the first place of `piece` in `value`, from `position`; -1 if there is none."""
    if all(isinstance(part, str) for part in piece):
        return value.find("".join(map(str, piece)), position)
    expression = "".join(re.escape(part) if isinstance(part, str) else "." for part in piece)
    found = re.compile(expression, re.DOTALL).search(value, position)
    return found.start() if found else -1
