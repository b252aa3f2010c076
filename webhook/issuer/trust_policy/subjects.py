"""The subjects of service account tokens: `system:serviceaccount:NAMESPACE:NAME`, and patterns of them in policies."""

import re
from dataclasses import dataclass
from typing import Final

from webhook.issuer.trust_policy.patterns import Part, Wildcard, components

PREFIX: Final = "system:serviceaccount:"
MAX_NAMESPACE: Final = 63
MAX_NAME: Final = 253

_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAMESPACE: Final = re.compile(_LABEL, re.ASCII)
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_POSSIBLE: Final = re.compile(r"[-a-z0-9.]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Subject:
    """A ServiceAccount, or with `*` for one of the two, all ServiceAccounts of a namespace or all with a name."""

    namespace: str
    name: str

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for several ServiceAccounts."""
        return "*" in (self.namespace, self.name)

    def __str__(self) -> str:
        """The subject, as the token and the policy have it."""
        return f"{PREFIX}{self.namespace}:{self.name}"


def subject_problem(text: str) -> str:
    """Returns why no ServiceAccount has the subject `text`; empty if one can have it."""
    if not text.startswith(PREFIX):
        return f"a ServiceAccount's subject begins with {PREFIX}"
    namespace, colon, name = text.removeprefix(PREFIX).partition(":")
    if not colon:
        return f"a subject is {PREFIX}NAMESPACE:NAME"
    return namespace_problem(namespace) or name_problem(name)


def namespace_problem(namespace: str) -> str:
    """Returns why a namespace cannot have this name; empty if it can (RFC 1123 label)."""
    if len(namespace) <= MAX_NAMESPACE and _NAMESPACE.fullmatch(namespace):
        return ""
    return f"{namespace!r} is no name of a namespace"


def name_problem(name: str) -> str:
    """Returns why a ServiceAccount cannot have this name; empty if it can (RFC 1123 subdomain)."""
    if len(name) <= MAX_NAME and _NAME.fullmatch(name):
        return ""
    return f"{name!r} is no name of a ServiceAccount"


def pattern_problem(parts: tuple[Part, ...]) -> str:
    """Returns why no ServiceAccount's subject matches a pattern with wildcards; empty if one may."""
    head = parts[0] if parts and isinstance(parts[0], str) else ""
    if not head.startswith(PREFIX) and not PREFIX.startswith(head):
        return f"a ServiceAccount's subject begins with {PREFIX}"
    split = components(parts, 4)
    literals = [part for component in (split or [parts])[2:] for part in component if isinstance(part, str)]
    wrong = [literal for literal in literals if not _POSSIBLE.fullmatch(literal)]
    return f"no namespace or ServiceAccount has {wrong[0]!r} in its name" if wrong else ""


def scope(parts: tuple[Part, ...]) -> str:
    """Returns whom a pattern matches: `namespace` (within one), `namespaces` (in several), or `cluster` (everyone)."""
    split = components(parts, 4)
    is_prefix_literal = split is not None and [_text(part) for part in split[:2]] == ["system", "serviceaccount"]
    if split is None or not is_prefix_literal:
        # A wildcard stands for colons too. What is left as text limits whom it matches.
        rest = "".join(part for part in parts if isinstance(part, str))
        return "cluster" if PREFIX.startswith(rest) or set(rest) <= {":"} else "namespaces"
    namespace, name = split[2:]
    if Wildcard.ANY not in namespace and Wildcard.ONE not in namespace:
        return "namespace"
    return "cluster" if not _literal(namespace) and not _literal(name) else "namespaces"


def _text(parts: tuple[Part, ...]) -> str | None:
    return "".join(map(str, parts)) if all(isinstance(part, str) for part in parts) else None


def _literal(parts: tuple[Part, ...]) -> str:
    return "".join(part for part in parts if isinstance(part, str))
