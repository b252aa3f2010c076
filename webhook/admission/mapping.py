"""Role mappings: the ConfigMap `pod-identity-webhook` gives roles to ServiceAccounts.

The document (`data.config`) is JSON: {"NAMESPACE/NAME": {"RoleARN", "Audience", "UseRegionalSTS", "TokenExpiration"}}.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from webhook.errors import MappingError

CONFIG_MAP_NAME: Final = "pod-identity-webhook"

_T = TypeVar("_T", str, bool, int)

_KEY: Final = re.compile(r"[a-z0-9*]([-a-z0-9*]*[a-z0-9*])?/[a-z0-9*]([-.a-z0-9*]*[a-z0-9*])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class MappedRole:
    """One entry of the mapping, with its `key`. A member is None if the entry does not set it: the default applies."""

    key: str
    role_arn: str
    audience: str | None = None
    regional_sts: bool | None = None
    token_expiration: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RoleMapping:
    """All entries: exact ones, and ones with globs, the most specific first. Compares by identity."""

    exact: dict[str, MappedRole] = field(default_factory=dict)
    globs: tuple[tuple[re.Pattern[str], MappedRole], ...] = ()

    def find(self, namespace: str, name: str) -> MappedRole | None:
        """Returns the entry for a ServiceAccount: the exact one, else the glob with the most literal characters."""
        key = f"{namespace}/{name}"
        found = self.exact.get(key)
        if found is None:
            for pattern, role in self.globs:
                if pattern.fullmatch(key):
                    return role
        return found

    def __len__(self) -> int:
        return len(self.exact) + len(self.globs)


NO_MAPPING: Final = RoleMapping()


def parse_mapping(document: str | bytes) -> tuple[RoleMapping, list[str]]:
    """Parses a mapping. Also returns a line for each invalid entry that it skipped, with its key and the reason.

    Raises MappingError if the document as a whole is invalid.
    """
    try:
        entries = msgspec.json.decode(document or b"{}", type=dict[str, Any] | None)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise MappingError(f"not a JSON object of mappings: {error}") from error
    exact: dict[str, MappedRole] = {}
    globs: list[MappedRole] = []
    problems: list[str] = []
    for key, value in (entries or {}).items():
        try:
            role = _entry(key, value)
        except MappingError as error:
            problems.append(f"entry {key!r} skipped: {error}")
            continue
        if "*" in key:
            globs.append(role)
        else:
            exact[key] = role
    globs.sort(key=lambda role: (-len(role.key.replace("*", "")), role.key))
    return RoleMapping(exact, tuple((_compiled(role.key), role) for role in globs)), problems


def _compiled(key: str) -> re.Pattern[str]:
    """Compiles a key with globs; a `*` does not match a slash."""
    return re.compile("/".join(_part_pattern(part) for part in key.split("/")))


def _part_pattern(part: str) -> str:
    head, *rest = part.split("*")
    if not rest:
        return re.escape(head)
    *middle, tail = rest
    # Atomic groups match each literal at its first occurrence without backtracking: many stars stay linear.
    inner = "".join(f"(?>[^/]*?{re.escape(literal)})" for literal in middle if literal)
    return f"{re.escape(head)}{inner}[^/]*{re.escape(tail)}"


def _entry(key: str, value: Any) -> MappedRole:
    if not _KEY.fullmatch(key):
        raise MappingError("the key is not NAMESPACE/NAME in lower case, each of which may contain '*'")
    if not isinstance(value, dict):
        raise MappingError("the value is not an object")
    members = {name.lower(): member for name, member in value.items()}
    role_arn = _member(members, "RoleARN", str)
    if not role_arn:
        raise MappingError("RoleARN is missing or empty")
    return MappedRole(
        key=key,
        role_arn=role_arn,
        audience=_member(members, "Audience", str) or None,
        regional_sts=_member(members, "UseRegionalSTS", bool),
        token_expiration=_member(members, "TokenExpiration", int) or None,
    )


def _member(members: dict[str, Any], name: str, kind: type[_T]) -> _T | None:
    value = members.get(name.lower())
    if value is not None and type(value) is not kind:
        raise MappingError(f"{name} is not of type {kind.__name__}")
    return value
