"""Mistakes in the action of a statement that is about web identity."""

from collections.abc import Iterator
from typing import Final

from webhook.issuer.trust_policy.document import Statement
from webhook.issuer.trust_policy.lint.finding import Finding
from webhook.issuer.trust_policy.patterns import glob_matches
from webhook.issuer.trust_policy.request import ASSUME_ROLE_WITH_WEB_IDENTITY

_WANTED: Final = f"write {ASSUME_ROLE_WITH_WEB_IDENTITY}"
_ASSUME_ROLE: Final = "sts:assumerole"
_TAG_SESSION: Final = "sts:tagsession"


def allows_web_identity(statement: Statement) -> bool:
    """Whether the statement's action matches AssumeRoleWithWebIdentity."""
    is_named = any(
        glob_matches(each.text, ASSUME_ROLE_WITH_WEB_IDENTITY, ignore_case=True) for each in statement.actions
    )
    return is_named != statement.is_not_action


def lint_actions(statement: Statement) -> Iterator[Finding]:
    """Yields the mistakes in the actions of an Allow whose principals are OIDC providers."""
    if not statement.actions:
        return
    if statement.is_not_action:
        what = "allows every action that it does not name"
        yield Finding("not-action", f"{statement.path}.NotAction", what, f"use Action, and {_WANTED}")
        return
    has_others = any(each.kind != "Federated" and each.value.text != "*" for each in statement.principals)
    for action in statement.actions:
        if action.text.lower() == _ASSUME_ROLE and not has_others:
            what = f"is {action.text}, which is for AWS principals: a token needs another action"
            yield Finding("assume-role", action.path, what, _WANTED)
        elif "*" in action.text or "?" in action.text:
            yield Finding("action-wildcard", action.path, f"{action.text!r} allows more than a token needs", _WANTED)
    named = {action.text.lower() for action in statement.actions}
    if not allows_web_identity(statement) and _ASSUME_ROLE not in named and not has_others:
        what = f"does not name {ASSUME_ROLE_WITH_WEB_IDENTITY}, so no token may assume the role"
        yield Finding("action", statement.actions[0].path, what, _WANTED)


def lint_pod_identity_actions(statement: Statement) -> Iterator[Finding]:
    """Yields the action that EKS Pod Identity needs and the statement lacks."""
    named = [action.text for action in statement.actions]
    for wanted, name in ((_ASSUME_ROLE, "sts:AssumeRole"), (_TAG_SESSION, "sts:TagSession")):
        if not any(glob_matches(each, wanted, ignore_case=True) for each in named):
            path = f"{statement.path}.Action"
            yield Finding("pod-identity-action", path, f"lacks {name}, which EKS Pod Identity needs", f"add {name}")
