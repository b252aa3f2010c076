"""A trust policy as IAM reads it: its statements, each part with its JSON path, and what IAM would refuse in it.

The grammar is that of "Grammar of the IAM JSON policy language" in IAM's user guide.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import unquote_plus

from webhook.issuer.json_object import DocumentError
from webhook.issuer.trust_policy.json_text import (
    Members,
    member,
    plain,
    read_json_object,
    type_name,
)

CURRENT_VERSION: Final = "2012-10-17"
OLD_VERSION: Final = "2008-10-17"

Effect: TypeAlias = Literal["Allow", "Deny", ""]

_PRINCIPAL_TYPES: Final = ("AWS", "Federated", "Service", "CanonicalUser")
_STATEMENT_MEMBERS: Final = frozenset({"Sid", "Effect", "Principal", "Action", "NotAction", "Condition"})
_NOT_IN_TRUST_POLICIES: Final = {
    "NotPrincipal": ("not-principal", "name the principals that may assume the role under Principal"),
    "Resource": ("resource", "remove it: the resource is the role itself"),
    "NotResource": ("resource", "remove it: the resource is the role itself"),
}
_MAX_PARENTS: Final = 3
"""How far from a missing member the next line that we name may be."""

_WITHOUT_DOCUMENT: Final = "it has a Role without AssumeRolePolicyDocument, so it is no output of aws iam get-role"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that IAM refuses or may read otherwise: the lint's rule, the JSON path, what it is, and the fix."""

    rule: str
    path: str
    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class Value:
    """A string in the policy, with its JSON path. A boolean or number of JSON is its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Principal:
    """One principal. `kind` is `Federated`, `AWS`, `Service` or `CanonicalUser`, or `*` for the bare string."""

    kind: str
    value: Value


@dataclass(frozen=True, slots=True)
class Condition:
    """One key under one operator, as written, with the values to compare."""

    path: str
    operator: str
    key: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `effect` is empty if it has none that IAM knows."""

    path: str
    sid: str
    effect: Effect
    principals: tuple[Principal, ...]
    actions: tuple[Value, ...]
    is_not_action: bool
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """A trust policy. If it has `problems`, IAM refuses it, or may read it otherwise.

    `size` is the number of characters as IAM counts them: without white space between the parts. `lines` has the line
    of each JSON path, if known; `role_arn` is the role that has the policy, if known.
    """

    root: str
    version: str
    statements: tuple[Statement, ...]
    problems: tuple[Problem, ...]
    size: int
    lines: dict[str, int] = field(default_factory=dict)
    role_arn: str = ""

    @property
    def has_variables(self) -> bool:
        """Whether `${…}` is a policy variable in it: only in this version."""
        return self.version == CURRENT_VERSION

    def line_of(self, path: str) -> int | None:
        """Returns the line of a JSON path; of a member that is missing, the line of the object around it."""
        for _ in range(_MAX_PARENTS):
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["))]
        return None


def read_policy(text: str) -> TrustPolicy:
    """Reads a trust policy: JSON, the same URL-encoded, or what `aws iam get-role` prints. Raises DocumentError."""
    if text.lstrip().startswith("%7B") or text.lstrip().startswith("%7b"):
        text = unquote_plus(text.strip())
    read = read_json_object(text)
    role = read.value.last("Role")
    if not isinstance(role, Members):
        return _Reader("$", read.lines).policy(read.value)
    arn = role.last("Arn")
    role_arn = arn if isinstance(arn, str) else ""
    path = "$.Role.AssumeRolePolicyDocument"
    document = role.last("AssumeRolePolicyDocument")
    if isinstance(document, str):
        # The API answers with the document URL-encoded; older tools pass that on.
        inner = read_json_object(unquote_plus(document) if document.lstrip().startswith("%") else document)
        return _Reader(path, {}, role_arn).policy(inner.value)
    if not isinstance(document, Members):
        raise DocumentError(_WITHOUT_DOCUMENT)
    return _Reader(path, read.lines, role_arn).policy(document)


def size_of(document: dict[str, Any]) -> int:
    """Returns the characters of a policy as IAM counts them: without white space between its parts."""
    return len(json.dumps(document, separators=(",", ":"), ensure_ascii=False))


class _Reader:
    """Reads one document; collects its problems."""

    def __init__(self, root: str, lines: dict[str, int], role_arn: str = "") -> None:
        self._root = root
        self._lines = lines
        self._role_arn = role_arn
        self._problems: list[Problem] = []

    def policy(self, document: Members) -> TrustPolicy:
        root = self._root
        self._once(root, document)
        for name, _ in document:
            if name not in {"Version", "Id", "Statement"}:
                self._problem(member(root, name), "is no member of a policy", "remove it; names are case-sensitive")
        version = document.last("Version", OLD_VERSION)
        if version not in (CURRENT_VERSION, OLD_VERSION):
            self._problem(f"{root}.Version", f"is {_shown(version)}, which is no version", f'set "{CURRENT_VERSION}"')
            version = ""
        statements = self._statements(document.last("Statement"))
        self._repeated_sids(statements)
        size = size_of(plain(document))
        return TrustPolicy(root, version, statements, tuple(self._problems), size, self._lines, self._role_arn)

    def _statements(self, statements: Any) -> tuple[Statement, ...]:
        path = f"{self._root}.Statement"
        if isinstance(statements, Members):
            return (self._statement(path, statements),)
        if not isinstance(statements, list) or not statements:
            what = "is missing" if statements is None else f"is {_shown(statements)}"
            self._problem(path, what, "write a list of statements")
            return ()
        read = []
        for index, each in enumerate(statements):
            if isinstance(each, Members):
                read.append(self._statement(f"{path}[{index}]", each))
            else:
                self._problem(f"{path}[{index}]", f"is {type_name(each)} instead of a statement", "write an object")
        return tuple(read)

    def _statement(self, path: str, statement: Members) -> Statement:
        self._once(path, statement)
        for name, _ in statement:
            if not_here := _NOT_IN_TRUST_POLICIES.get(name):
                rule, fix = not_here
                self._problem(f"{path}.{name}", "is not allowed in a trust policy", fix, rule)
            elif name not in _STATEMENT_MEMBERS:
                self._problem(member(path, name), "is no member of a statement", "remove it; names are case-sensitive")
        sid = statement.last("Sid", "")
        if not isinstance(sid, str) or not re.fullmatch(r"[A-Za-z0-9]*", sid):
            self._problem(f"{path}.Sid", f"is {_shown(sid)}", "use letters and digits only")
            sid = sid if isinstance(sid, str) else ""
        effect = statement.last("Effect")
        if effect not in ("Allow", "Deny"):
            what = "is missing" if effect is None else f"is {_shown(effect)}"
            self._problem(f"{path}.Effect", what, 'write "Allow" or "Deny"')
            effect = ""
        action, not_action = statement.last("Action"), statement.last("NotAction")
        if (action is None) == (not_action is None):
            what = "has neither Action nor NotAction" if action is None else "has both Action and NotAction"
            self._problem(path, what, 'write "Action": "sts:AssumeRoleWithWebIdentity"')
        is_not_action = action is None and not_action is not None
        actions_path = f"{path}.NotAction" if is_not_action else f"{path}.Action"
        return Statement(
            path,
            sid,
            effect,
            self._principals(path, statement),
            self._values(actions_path, not_action if is_not_action else action),
            is_not_action,
            self._conditions(f"{path}.Condition", statement.last("Condition")),
        )

    def _principals(self, statement_path: str, statement: Members) -> tuple[Principal, ...]:
        path = f"{statement_path}.Principal"
        principal = statement.last("Principal")
        if principal == "*":
            return (Principal("*", Value(path, "*")),)
        if not isinstance(principal, Members):
            if principal is not None:
                self._problem(path, f"is {_shown(principal)}", 'write {"Federated": "arn:aws:iam::…"}')
            elif statement.last("NotPrincipal") is None:
                self._problem(path, "is missing", "name the OIDC provider under Principal.Federated")
            return ()
        self._once(path, principal)
        found = []
        for kind, values in principal:
            if kind not in _PRINCIPAL_TYPES:
                self._problem(member(path, kind), "is no kind of principal", f"use {', '.join(_PRINCIPAL_TYPES)}")
            found += [Principal(kind, value) for value in self._values(member(path, kind), values)]
        if not principal:
            self._problem(path, "is empty", "name the OIDC provider under Principal.Federated")
        return tuple(found)

    def _conditions(self, path: str, block: Any) -> tuple[Condition, ...]:
        if block is None:
            return ()
        if not isinstance(block, Members):
            self._problem(path, f"is {_shown(block)}", 'write {"StringEquals": {…}}')
            return ()
        self._once(path, block)
        found = []
        for operator, keys in block:
            at = member(path, operator)
            if not isinstance(keys, Members):
                self._problem(at, f"is {type_name(keys)} instead of keys and values", "write an object")
                continue
            self._once(at, keys, ignore_case=True)
            found += [
                Condition(member(at, key), operator, key, self._values(member(at, key), values, scalars=True))
                for key, values in keys
            ]
        return tuple(found)

    def _values(self, path: str, values: Any, *, scalars: bool = False) -> tuple[Value, ...]:
        """Returns the strings at `path`, one or a list; with `scalars`, booleans and numbers too."""
        if values is None:
            return ()
        listed = [(path, values)]
        if isinstance(values, list) and not isinstance(values, Members):
            listed = [(f"{path}[{index}]", value) for index, value in enumerate(values)]
            if not listed:
                self._problem(path, "is an empty list, which matches nothing", "write at least one value")
        found = []
        for at, value in listed:
            if isinstance(value, str):
                found.append(Value(at, value))
            elif scalars and isinstance(value, bool | int | float):
                found.append(Value(at, json.dumps(value)))
            else:
                self._problem(at, f"is {type_name(value)} instead of a string", "write a string")
        return tuple(found)

    def _once(self, path: str, members: Members, *, ignore_case: bool = False) -> None:
        for name in members.twice():
            self._problem(
                member(path, name),
                "occurs twice in the same object: only one of the two counts",
                "merge them: several values are a list",
                "duplicate-key",
            )
        if ignore_case:
            names: dict[str, str] = {}
            for name, _ in members:
                other = names.setdefault(name.lower(), name)
                if other != name:
                    self._problem(
                        member(path, name),
                        f"is the same key as {other!r}: key names ignore case",
                        "merge them: several values are a list",
                        "duplicate-key",
                    )

    def _repeated_sids(self, statements: tuple[Statement, ...]) -> None:
        seen: set[str] = set()
        for statement in statements:
            if statement.sid and statement.sid in seen:
                self._problem(f"{statement.path}.Sid", f"{statement.sid!r} occurs twice", "use each Sid once")
            seen.add(statement.sid)

    def _problem(self, path: str, what: str, fix: str, rule: str = "malformed") -> None:
        self._problems.append(Problem(rule, path, what, fix))


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) and len(value) <= 100 else type_name(value)
